//! The body while it runs: which value it loads, so that a call of the same value from within runs
//! through instead of waiting for itself.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tracing::span::Entered;

use crate::load::Load;
use crate::place::Place;
use crate::run::Run;

thread_local! {
    /// What the calls on this thread are loading right now, the innermost last.
    static LOADING: RefCell<Vec<Arc<Place>>> = const { RefCell::new(Vec::new()) };
}

/// Whether a body that runs on this thread is loading this very value: waiting for it would be
/// waiting for oneself.
pub(crate) fn is_loading(place: &Place) -> bool {
    LOADING
        .try_with(|loading| loading.borrow().iter().any(|of| of.is(place)))
        .unwrap_or(false)
}

/// What a body loads, and how that is watched.
pub(crate) struct Loading {
    place: Option<Arc<Place>>,
    run: Option<Arc<Run>>,
}

impl Loading {
    pub(crate) fn of(load: &Load) -> Self {
        Self {
            place: load.own_place(),
            run: load.run.clone(),
        }
    }

    /// Runs what belongs to the load: the body, or the user's code that stores what it returned.
    pub(crate) fn run<T>(&self, of_load: impl FnOnce() -> T) -> T {
        let _inside = self.enter();
        of_load()
    }

    fn enter(&self) -> Inside<'_> {
        let note = |place: &Arc<Place>| {
            LOADING
                .try_with(|loading| loading.borrow_mut().push(place.clone()))
                .is_ok()
        };
        Inside {
            _span: self.run.as_deref().map(Run::enter),
            is_noted: self.place.as_ref().is_some_and(note),
        }
    }
}

/// While this lives, what runs on this thread is part of a body.
struct Inside<'a> {
    is_noted: bool,
    _span: Option<Entered<'a>>,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.is_noted {
            let _ = LOADING.try_with(|loading| loading.borrow_mut().pop());
        }
    }
}

/// The body of an async function, which knows what it is loading.
pub(crate) struct Body<F: ?Sized> {
    loading: Loading,
    body: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Body<F> {
    /// The body of this load.
    pub(crate) fn of(load: &Load, body: Pin<Box<F>>) -> Self {
        Self {
            loading: Loading::of(load),
            body,
        }
    }

    pub(crate) fn loading(&self) -> &Loading {
        &self.loading
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let _inside = self.loading.enter();
        self.body.as_mut().poll(context)
    }
}
