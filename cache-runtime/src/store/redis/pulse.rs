//! The signs of life of one connection.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(super) struct Pulse {
    answers: AtomicU64,
}

impl Pulse {
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}
