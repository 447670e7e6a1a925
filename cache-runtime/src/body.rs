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

/// While this lives, what runs on this thread is part of a body.
struct Inside<'a> {
    is_noted: bool,
    _span: Option<Entered<'a>>,
}

impl<'a> Inside<'a> {
    fn of(place: Option<&Arc<Place>>, run: Option<&'a Arc<Run>>) -> Self {
        let note = |place: &Arc<Place>| {
            LOADING
                .try_with(|loading| loading.borrow_mut().push(place.clone()))
                .is_ok()
        };
        Self {
            _span: run.map(|run| run.enter()),
            is_noted: place.is_some_and(note),
        }
    }
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
    place: Option<Arc<Place>>,
    run: Option<Arc<Run>>,
    body: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Body<F> {
    /// The body of this load.
    pub(crate) fn of(load: &Load, body: Pin<Box<F>>) -> Self {
        Self {
            place: load.own_place(),
            run: load.run.clone(),
            body,
        }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let _inside = Inside::of(self.place.as_ref(), self.run.as_ref());
        self.body.as_mut().poll(context)
    }
}

/// Runs the body of this load, of a sync function.
pub(crate) fn run_sync<T>(load: &Load, body: impl FnOnce() -> T) -> T {
    let place = load.own_place();
    let _inside = Inside::of(place.as_ref(), load.run.as_ref());
    body()
}
