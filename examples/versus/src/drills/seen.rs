//! What callers saw of a fault.

use std::fmt;
use std::time::Duration;

use super::callers::PATIENCE;
use crate::measure::at;

/// What one call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The right value, and no body ran for it.
    Hit,
    /// The right value, for which the body ran.
    Body,
    /// An error, and the body did not run.
    Error,
    /// An error, although the body had returned a value.
    ErrorAfterBody,
    Wrong,
    Panicked,
    Unanswered,
}

impl Outcome {
    const ALL: [(Self, &str); 7] = [
        (Self::Hit, "hit"),
        (Self::Body, "body"),
        (Self::Error, "error"),
        (Self::ErrorAfterBody, "error-after-body"),
        (Self::Wrong, "wrong"),
        (Self::Panicked, "panicked"),
        (Self::Unanswered, "unanswered"),
    ];

    /// For the process that adds them up.
    pub fn line(self, began_micros: f64, took: Duration) -> String {
        let (_, word) = Self::ALL[self as usize];
        format!("{began_micros} {} {word}", took.as_secs_f64() * 1e3)
    }
}

struct Call {
    began_micros: f64,
    took_millis: f64,
    outcome: Outcome,
}

impl Call {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (began, took, outcome) = (words.next()?, words.next()?, words.next()?);
        let (outcome, _) = Outcome::ALL.iter().find(|(_, word)| *word == outcome)?;
        Some(Self {
            began_micros: began.parse().ok()?,
            took_millis: took.parse().ok()?,
            outcome: *outcome,
        })
    }
}

/// All calls of a drill.
pub struct Seen {
    calls: Vec<Call>,
    /// The fault, and the end of the drill, in microseconds of the clock that processes share.
    began: f64,
    over: f64,
    end: f64,
}

impl Seen {
    pub fn new(lines: impl Iterator<Item = String>, began: f64, over: f64, end: f64) -> Self {
        Self {
            calls: lines.filter_map(|line| Call::read(&line)).collect(),
            began,
            over,
            end,
        }
    }

    fn count(&self, outcome: Outcome) -> usize {
        let same = |call: &&Call| call.outcome == outcome;
        self.calls.iter().filter(same).count()
    }

    /// Milliseconds of calls that began between these moments, sorted.
    fn took(&self, from: f64, to: f64) -> Vec<f64> {
        let within = |call: &&Call| (from..to).contains(&call.began_micros);
        let calls = self.calls.iter().filter(within);
        let mut took: Vec<_> = calls.map(|call| call.took_millis).collect();
        took.sort_by(f64::total_cmp);
        took
    }

    /// Seconds from the end of the fault to the first hit of a call that began after it.
    fn hit_after(&self) -> Option<f64> {
        let after = |call: &&Call| call.outcome == Outcome::Hit && call.began_micros > self.over;
        let hits = self.calls.iter().filter(after);
        let answered = hits.map(|call| call.began_micros + call.took_millis * 1e3 - self.over);
        answered.min_by(f64::total_cmp).map(|micros| micros / 1e6)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.len();
        write!(f, "{calls} calls, ")?;
        let after_body = self.count(Outcome::ErrorAfterBody);
        let errors = self.count(Outcome::Error) + after_body;
        let (wrong, panicked) = (self.count(Outcome::Wrong), self.count(Outcome::Panicked));
        let unanswered = self.count(Outcome::Unanswered);
        if errors + wrong + panicked + unanswered == 0 {
            write!(f, "all answered; ")?;
        }
        if panicked > 0 {
            write!(f, "{panicked} panicked; ")?;
        }
        if errors > 0 {
            write!(
                f,
                "{errors} errors, {after_body} of them although the body succeeded; "
            )?;
        }
        if wrong > 0 {
            write!(f, "{wrong} wrong values; ")?;
        }
        if unanswered > 0 {
            write!(f, "{unanswered} without an answer within {PATIENCE:?}; ")?;
        }
        let (all, meanwhile) = (self.took(0.0, f64::MAX), self.took(self.began, self.over));
        write!(f, "worst {:.1} ms", all.last().copied().unwrap_or(f64::NAN))?;
        if !meanwhile.is_empty() {
            let (p50, p99) = (at(&meanwhile, 0.5), at(&meanwhile, 0.99));
            write!(f, ", meanwhile p50 {p50:.1} and p99 {p99:.1} ms")?;
        }
        match self.hit_after() {
            Some(seconds) => write!(f, "; a hit after {seconds:.3} s"),
            None => write!(f, "; no hit for {:.1} s", (self.end - self.over) / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_came_to_is_read_as_it_was_written() {
        for (outcome, _) in Outcome::ALL {
            let line = outcome.line(1.5e15, Duration::from_micros(2500));
            let call = Call::read(&line).unwrap();
            assert_eq!((call.began_micros, call.took_millis), (1.5e15, 2.5));
            assert_eq!(call.outcome, outcome);
        }
    }

    #[test]
    fn calls_are_told_with_what_became_of_them() {
        let line = |outcome: Outcome, at: f64| outcome.line(at, Duration::from_millis(2));
        let lines = [
            line(Outcome::Hit, 0.0),
            line(Outcome::ErrorAfterBody, 1e6),
            line(Outcome::Error, 1.1e6),
            line(Outcome::Hit, 2.5e6),
        ];
        let seen = Seen::new(lines.into_iter(), 1e6, 2e6, 3e6);
        assert_eq!(
            seen.to_string(),
            "4 calls, 2 errors, 1 of them although the body succeeded; worst 2.0 ms, \
             meanwhile p50 2.0 and p99 2.0 ms; a hit after 0.502 s"
        );
    }
}
