//! A future of a lane, for a caller who polls it.
//!
//! What it waits by belongs to the runtime of the lane: sockets and timers. A caller may move to another
//! runtime meanwhile, or out of any, and that of the lane may end. Then it is polled inside of that runtime, or
//! ends with an error. And what wakes the caller is shared with others, whom the caller's waker must not harm.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::{self, Id};

use super::failure::ended;
use super::watch::Watch;
use crate::error::Error;
use crate::exec::{self, Shielding};

/// The runtime of a lane.
pub(super) struct Home {
    runtime: Handle,
    has_ended: AtomicBool,
    watch: Watch,
}

impl Home {
    pub(super) fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            has_ended: AtomicBool::new(false),
            watch: Watch::default(),
        })
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Its tasks are dropped: timers come next.
    pub(super) fn ends(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    /// A future of this runtime that a caller of it polls.
    pub(super) fn run<F>(self: Arc<Self>, inside: F) -> AtHome<F> {
        AtHome {
            home: self,
            task: task::try_id(),
            shielding: Shielding::default(),
            inside,
        }
    }
}

pin_project_lite::pin_project! {
    pub(crate) struct AtHome<F> {
        home: Arc<Home>,
        // That of the caller at first. What a runtime blocks on has none.
        task: Option<Id>,
        shielding: Shielding,
        #[pin]
        inside: F,
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for AtHome<F> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inside = this.inside;
        let is_where_it_was = this.task.is_some() && *this.task == task::try_id();
        if is_where_it_was || this.home.is_here() {
            return this.shielding.poll(context, |context| inside.poll(context));
        }
        if this.home.has_ended.load(Ordering::Acquire) || exec::is_ending() {
            return Poll::Ready(Err(ended()));
        }
        let _inside = this.home.runtime.enter();
        let poll = |context: &mut Context<'_>| inside.poll(context);
        // Timers panic once their runtime has ended, which may be just now.
        let polled = catch_unwind(AssertUnwindSafe(|| this.shielding.poll(context, poll)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(ended())))
    }
}

impl Home {
    fn is_here(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.runtime.id())
    }
}
