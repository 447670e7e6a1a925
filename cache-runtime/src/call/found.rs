//! Bytes that were found, until it is known whether they are the answer.

use std::sync::Arc;

use super::Search;
use crate::address::Seen;
use crate::event::EventKind;
use crate::load::Load;
use crate::near::{Copied, Life};

/// Bytes that may be the answer.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) json: Vec<u8>,
    pub(super) how: EventKind,
    /// For a stale value: the refresh of it.
    pub(super) refresh: Option<Box<Load>>,
    pub(super) search: Search,
}

impl Found {
    /// It is the answer; what comes with it is the refresh to run behind.
    pub(crate) fn used(self) -> Option<Box<Load>> {
        self.search.place.tell(self.how);
        self.search.see(match self.how {
            EventKind::Joined => Seen::Joined,
            EventKind::Stale => Seen::Stale,
            _ => Seen::Stored,
        });
        self.search.place.key.recycle();
        self.refresh
    }

    /// Whether an absence is no answer. One that was loaded just now and waited for is.
    pub(crate) fn passes_over(&self, absent: bool) -> bool {
        absent && self.how != EventKind::Joined && self.search.place.spec.passes_over_absence()
    }

    pub(crate) fn absent(self) -> Search {
        self.unusable()
    }

    pub(crate) fn unreadable(self) -> Search {
        self.search.place.tell(EventKind::Unreadable);
        self.unusable()
    }

    /// Keeps a copy of the value in this process, where the function has `near`.
    pub(crate) fn keep_near(&mut self, copy: &dyn Fn(Life) -> Option<Arc<Copied>>) {
        // Past its time to live a value is no answer by itself, and one that was waited for is older
        // than the watch.
        if let Some(watching) = self.search.watching.take()
            && self.how == EventKind::Hit
        {
            watching.keep(&self.search.place, self.json.len(), copy);
        }
    }

    fn unusable(mut self) -> Search {
        self.search.rounds += 1;
        self.search.unusable = Some(self.json);
        self.search
    }
}
