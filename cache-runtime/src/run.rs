//! One run of a body as those who watch the program see it: a span, and how long it took.

use std::fmt;
use std::sync::Arc;

use tracing::Span;
use tracing::field::{Empty, debug};
use tracing::span::Entered;

use crate::event::Counters;
use crate::metrics::Timer;
use crate::spec::Spec;

#[derive(Debug)]
pub(crate) struct Run {
    span: Span,
    timer: Timer,
}

impl Run {
    /// The span names the function and not the key, which may be personal.
    pub(crate) fn of(spec: &Spec) -> Arc<Self> {
        Arc::new(Self {
            span: tracing::info_span!("cache.load", function = spec.name(), outcome = Empty),
            timer: Timer::start(),
        })
    }

    /// The body runs while the returned value lives.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    pub(crate) fn returned(&self, counters: &Counters) {
        counters.loaded(&self.timer);
    }

    pub(crate) fn came_to(&self, outcome: impl fmt::Debug) {
        self.span.record("outcome", debug(outcome));
    }
}
