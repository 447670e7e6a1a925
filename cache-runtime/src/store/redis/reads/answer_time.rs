//! Whether a server is so near that a batch gathers more while it waits for an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long answers to batches take, about.
#[derive(Default)]
pub(super) struct AnswerTime {
    /// None yet: zero.
    micros: AtomicU64,
}

impl AnswerTime {
    pub(super) fn took(&self, time: Duration) {
        let (old, new) = (
            self.micros.load(Ordering::Relaxed),
            u64::try_from(time.as_micros())
                .unwrap_or(u64::MAX >> 3)
                .max(1),
        );
        let micros = match old {
            0 => new,
            old => (7 * old + new) / 8,
        };
        self.micros.store(micros, Ordering::Relaxed);
    }

    /// Whether a batch gathers more while it waits for the answer to another.
    pub(super) fn are_near(&self) -> bool {
        const NEAR: u64 = 300;
        (1..NEAR).contains(&self.micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_near_by_its_usual_answers() {
        let (near, far) = (Duration::from_micros(50), Duration::from_millis(20));
        let answers = AnswerTime::default();
        assert!(!answers.are_near(), "nothing is known");
        answers.took(near);
        assert!(answers.are_near());
        answers.took(far);
        assert!(!answers.are_near());
        for _ in 0..20 {
            answers.took(near);
        }
        assert!(answers.are_near(), "one was late");
    }
}
