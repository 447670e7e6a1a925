//! How many batches a sender sends before it waits for an answer again.
//!
//! One, where few wait. Of a crowd more each time that a wait was in vain, until an answer is there in
//! time again.

/// More answers at a time keep this process so busy that it is late for the last of them.
const MOST_AT_ONCE: u32 = 3;

/// How a sender waits for the answer to a batch before it sends the next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Of large values.
    UntilItsEnd,
    Patiently,
    WhileBusy,
    Not,
}

#[derive(Default)]
pub(super) struct Pace {
    at_once: u32,
    left: u32,
}

impl Pace {
    /// For the answer to a batch of small values that is sent now.
    pub(super) fn next(&mut self, crowded: bool) -> Wait {
        if self.left > 0 {
            self.left -= 1;
            return Wait::Not;
        }
        if !crowded && self.at_once == 0 {
            return Wait::Patiently;
        }
        // If the wait that begins now is in vain, too.
        self.at_once = (2 * self.at_once + 1).min(MOST_AT_ONCE);
        self.left = self.at_once;
        Wait::WhileBusy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_few_wait_each_answer_is_waited_for() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            assert_eq!(pace.next(false), Wait::Patiently);
        }
    }

    #[test]
    fn of_a_crowd_more_and_more_is_sent_at_once_until_its_end() {
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..20).map(|n| pace.next(n < 5)).collect();
        let waited = waits.iter().enumerate();
        let waited = waited.filter(|(_, wait)| **wait == Wait::WhileBusy);
        let waited: Vec<_> = waited.map(|(at, _)| at).collect();
        assert_eq!(waited, [0, 2, 6, 10, 14, 18]);
        assert!(!waits.contains(&Wait::Patiently));
    }
}
