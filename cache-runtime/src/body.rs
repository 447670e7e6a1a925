//! The body while it runs: which value it loads, so that a call of the same value from within runs
//! through instead of waiting for itself.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

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

/// Runs `work` as part of the body of this load.
fn loading<T>(place: Option<&Arc<Place>>, work: impl FnOnce() -> T) -> T {
    struct Pop(bool);
    impl Drop for Pop {
        fn drop(&mut self) {
            if self.0 {
                let _ = LOADING.try_with(|loading| loading.borrow_mut().pop());
            }
        }
    }
    let pushed = place.is_some_and(|place| {
        LOADING
            .try_with(|loading| loading.borrow_mut().push(place.clone()))
            .is_ok()
    });
    let _pop = Pop(pushed);
    work()
}

pin_project_lite::pin_project! {
    /// The body of an async function, which knows what it is loading.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Body<F> {
        place: Option<Arc<Place>>,
        run: Option<Arc<Run>>,
        #[pin]
        body: F,
    }
}

/// The body of this load, of an async function.
pub(crate) fn of<F>(load: &Load, body: F) -> Body<F> {
    Body {
        place: load.own_place(),
        run: load.run.clone(),
        body,
    }
}

/// Runs the body of this load, of a sync function.
pub(crate) fn run_sync<T>(load: &Load, body: impl FnOnce() -> T) -> T {
    let _inside = load.run.as_ref().map(|run| run.enter());
    loading(load.own_place().as_ref(), body)
}

impl<F: Future> Future for Body<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.run.as_ref().map(|run| run.enter());
        loading(this.place.as_ref(), || this.body.poll(context))
    }
}
