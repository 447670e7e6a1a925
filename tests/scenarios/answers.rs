//! What callers were answered, and how long it took.

use std::fmt;
use std::time::{Duration, Instant};

use crate::support::{Told, tell, tell_all};

#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub took: Duration,
    pub right: bool,
}

impl Answer {
    pub async fn of<T: PartialEq>(call: impl Future<Output = T>, right: T) -> Self {
        let began = Instant::now();
        let right = call.await == right;
        let took = began.elapsed();
        Self { took, right }
    }

    pub fn of_sync<T: PartialEq>(call: impl FnOnce() -> T, right: T) -> Self {
        let began = Instant::now();
        let right = call() == right;
        let took = began.elapsed();
        Self { took, right }
    }
}

/// The answers to many calls.
#[derive(Default)]
pub struct Answers {
    /// Wrong values, and callers that ended by a panic.
    pub errors: u64,
    /// The shortest first.
    took: Vec<Duration>,
}

impl Answers {
    pub fn count(&self) -> usize {
        self.took.len()
    }

    pub fn worst(&self) -> Duration {
        self.took.last().copied().unwrap_or_default()
    }

    /// What all but one of a hundred stay below.
    pub fn p99(&self) -> Duration {
        let at = self.took.len() * 99 / 100;
        self.took.get(at).copied().unwrap_or_default()
    }

    pub fn median(&self) -> Duration {
        let at = self.took.len() / 2;
        self.took.get(at).copied().unwrap_or_default()
    }

    /// From a worker to the one who started it.
    pub fn tell(&self) {
        tell("errors", self.errors);
        let micros = self.took.iter().map(|took| took.as_micros());
        tell_all("micros", micros.map(|micros| micros.try_into().unwrap()));
    }

    /// Those of all workers.
    pub fn told(told: &Told) -> Self {
        let mut took: Vec<_> = told.values("micros").map(Duration::from_micros).collect();
        took.sort();
        let errors = told.sum("errors");
        Self { errors, took }
    }
}

/// None is a caller that ended by a panic.
impl FromIterator<Option<Answer>> for Answers {
    fn from_iter<I: IntoIterator<Item = Option<Answer>>>(answers: I) -> Self {
        let mut of = Self::default();
        for answer in answers {
            of.errors += u64::from(!answer.is_some_and(|answer| answer.right));
            of.took.extend(answer.map(|answer| answer.took));
        }
        of.took.sort();
        of
    }
}

impl FromIterator<Answer> for Answers {
    fn from_iter<I: IntoIterator<Item = Answer>>(answers: I) -> Self {
        answers.into_iter().map(Some).collect()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            to,
            "{} calls, {} errors; worst {:.1} ms, p99 {:.1} ms",
            self.count(),
            self.errors,
            millis(self.worst()),
            millis(self.p99()),
        )
    }
}
