//! Bytes that were found, until it is known whether they are the answer.

use std::ops::ControlFlow;
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
    pub(super) search: Box<Search>,
}

impl Found {
    /// It was read, as a value of which `copy` takes copies or as the absence of one. If it is the
    /// answer, what comes with it is the refresh to run behind; else the search goes on.
    pub(crate) fn read(
        mut self,
        absent: bool,
        copy: Option<&dyn Fn(Life) -> Option<Arc<Copied>>>,
    ) -> ControlFlow<Option<Box<Load>>, Box<Search>> {
        if absent && self.passes_over_absence() {
            return ControlFlow::Continue(self.unusable());
        }
        if let Some(copy) = copy {
            self.keep_near(copy);
        }
        ControlFlow::Break(self.used())
    }

    pub(crate) fn unreadable(self) -> Box<Search> {
        self.search.place.tell(EventKind::Unreadable);
        self.unusable()
    }

    fn used(self) -> Option<Box<Load>> {
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
    fn passes_over_absence(&self) -> bool {
        self.how != EventKind::Joined && self.search.place.spec.passes_over_absence()
    }

    /// Keeps a copy of the value in this process.
    fn keep_near(&mut self, copy: &dyn Fn(Life) -> Option<Arc<Copied>>) {
        // Past its time to live a value is no answer by itself, and one that was waited for is older
        // than the watch.
        if let Some(watching) = self.search.watching.take()
            && self.how == EventKind::Hit
        {
            watching.keep(&self.search.place, self.json.len(), copy);
        }
    }

    fn unusable(mut self) -> Box<Search> {
        self.search.rounds += 1;
        self.search.unusable = Some(self.json);
        self.search
    }
}
