//! The one deadline of what is asked, however often it is sent.

use std::time::Duration;

use tokio::time::Instant;

/// What is left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    began: Instant,
    /// When it was seen last how much is left.
    pub(super) since: Instant,
    pub(super) left: Duration,
}

impl Deadline {
    pub(super) fn new(limit: Duration) -> Self {
        Self::from(Instant::now(), limit)
    }

    pub(super) fn from(now: Instant, limit: Duration) -> Self {
        Self {
            began: now,
            since: now,
            left: limit,
        }
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Takes off what has passed.
    pub(super) fn spend(&mut self) {
        let now = Instant::now();
        self.left = self.left.saturating_sub(now - self.since);
        self.since = now;
    }
}
