//! The body while it runs: it is part of its load, and of the span of that.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tracing::span::Entered;

use crate::flight::LeaderPolls;
use crate::load::Load;
use crate::load_chain::{self, LoadId, Within};
use crate::run::Run;

/// What a body loads, and how that is watched.
pub(crate) struct Loading {
    load: Option<Arc<LoadId>>,
    run: Option<Arc<Run>>,
}

impl Loading {
    pub(crate) fn of(load: &Load) -> Self {
        Self {
            load: load.id().map(Arc::new),
            run: load.run.clone(),
        }
    }

    /// Runs what belongs to the load: the body, or the user's code that stores what it returned.
    pub(crate) fn run<T>(&self, of_load: impl FnOnce() -> T) -> T {
        let _inside = self.enter();
        of_load()
    }

    fn enter(&self) -> Inside<'_> {
        Inside {
            _span: self.run.as_deref().map(Run::enter),
            _within: self.load.as_ref().map(load_chain::enter),
        }
    }
}

/// While this lives, what runs on this thread is part of a body.
struct Inside<'a> {
    _within: Option<Within>,
    _span: Option<Entered<'a>>,
}

/// The body of an async function, which knows what it is loading.
pub(crate) struct Body<F: ?Sized> {
    loading: Loading,
    polls: Option<LeaderPolls>,
    body: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Body<F> {
    /// The body of this load.
    pub(crate) fn of(load: &Load, body: Pin<Box<F>>) -> Self {
        Self {
            loading: Loading::of(load),
            polls: load.polls(),
            body,
        }
    }

    pub(crate) fn loading(&self) -> &Loading {
        &self.loading
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let _inside = self.loading.enter();
        let body = self.body.as_mut();
        poll_as_leader(self.polls.as_mut(), context, |context| body.poll(context))
    }

    /// Polls what remains of the load after the body, if it leads a flight.
    pub(crate) fn poll_as_leader<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        poll_as_leader(self.polls.as_mut(), context, poll)
    }
}

fn poll_as_leader<T>(
    polls: Option<&mut LeaderPolls>,
    context: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    match polls {
        Some(polls) => polls.poll(context, poll),
        None => poll(context),
    }
}
