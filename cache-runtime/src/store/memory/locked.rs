//! The entries, locked. What counts them is the user's, and hears of a change without the lock.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::{Entries, Memory};

pub(super) struct Locked<'a> {
    memory: &'a Memory,
    /// Until they are left.
    entries: Option<MutexGuard<'a, Entries>>,
}

/// What a counter has yet to hear of.
#[derive(Debug, Default)]
pub(super) struct Untold {
    pub(super) evicted: usize,
    pub(super) is_changed: bool,
}

impl<'a> Locked<'a> {
    pub(super) fn new(memory: &'a Memory, entries: MutexGuard<'a, Entries>) -> Self {
        Self {
            memory,
            entries: Some(entries),
        }
    }
}

impl Deref for Locked<'_> {
    type Target = Entries;

    #[expect(clippy::expect_used, reason = "they are there until this is dropped")]
    fn deref(&self) -> &Entries {
        self.entries.as_deref().expect("it is locked")
    }
}

impl DerefMut for Locked<'_> {
    #[expect(clippy::expect_used, reason = "they are there until this is dropped")]
    fn deref_mut(&mut self) -> &mut Entries {
        self.entries.as_deref_mut().expect("it is locked")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut entries) = self.entries.take() else {
            return;
        };
        let untold = std::mem::take(&mut entries.untold);
        drop(entries);
        if untold.is_changed && cfg!(feature = "metrics") {
            self.memory.tell(untold.evicted);
        }
    }
}
