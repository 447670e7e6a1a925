//! The typed edge of a call, on its way in: bytes become the function's type.
//!
//! [`lookup`] and [`lookup_sync`] are two thin drivers round the one story in [`call`](crate::call);
//! they differ in how they wait. Whatever begins something long here has no type parameter: what it
//! begins is compiled once, in this crate, and not again in every crate with an annotated function.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::address::{self, Flow};
use crate::call::{Looked, Search, look, look_sync, near};
use crate::exec;
use crate::guard;
use crate::json::Codec;
use crate::request::Call;
use crate::slot::Slot;

/// How a call goes on.
#[derive(Debug)]
pub enum Step<R> {
    /// The answer is there.
    Done(R),
    /// A stale answer is there, and its refresh is to run behind.
    Stale(R, Slot<R>),
    /// The body is to run.
    Load(Slot<R>),
}

/// The answer to a call of an async function with the option `near`, if a copy of it is in this process. It
/// stands in the annotated function, before there is a future of the rest.
pub fn at_hand<R>(call: Call, codec: Codec<R>) -> ControlFlow<R, (Call, Codec<R>)> {
    copied(call, Flow::Async, &codec).map_continue(|call| (call, codec))
}

fn copied<R>(mut call: Call, flow: Flow, codec: &Codec<R>) -> ControlFlow<R, Call> {
    match near(&mut call, flow, codec) {
        None => ControlFlow::Continue(call),
        Some(returned) => {
            call.recycle();
            ControlFlow::Break(returned)
        }
    }
}

/// Looks for the bytes of an answer. What it takes to wait for a stored one is in the future of the
/// annotated function.
pub fn looking(call: Call) -> impl Future<Output = Looked> + Send {
    look(call)
}

/// Looks for an answer, for an async function. `looking` is the function above: the future that it
/// makes has no name.
pub fn lookup<R, L>(call: Call, looking: fn(Call) -> L, codec: Codec<R>) -> Lookup<R, L> {
    Lookup {
        looking: Looking::New {
            call: Some(call),
            looking,
        },
        codec,
    }
}

pin_project_lite::pin_project! {
    /// The looking for an answer.
    ///
    /// The future is named instead of being an `async fn`, which would be compiled anew for every
    /// return type, and nothing of that type is held in it: it need not be `Send`.
    #[must_use = "futures do nothing unless polled"]
    pub struct Lookup<R, L> {
        #[pin]
        looking: Looking<L>,
        codec: Codec<R>,
    }
}

impl<R, L: Future<Output = Looked>> Future for Lookup<R, L> {
    type Output = Step<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Step<R>> {
        let mut this = self.project();
        loop {
            let looked = ready!(this.looking.as_mut().poll_looked(context));
            match step(looked, *this.codec) {
                Read::Step(step) => return Poll::Ready(step),
                Read::Unusable(search) => this.looking.as_mut().again(search),
                Read::Addressed => this.looking.as_mut().addressed(),
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The looking for the bytes of an answer, whatever its type.
    #[project = Projection]
    enum Looking<L> {
        New { call: Option<Call>, looking: fn(Call) -> L },
        First { #[pin] looking: L },
        // What was found cannot be used.
        Again { looking: Pin<Box<dyn Future<Output = Looked> + Send>> },
        // Who asked for the address drops this future now.
        Addressed,
    }
}

impl<L: Future<Output = Looked>> Looking<L> {
    fn poll_looked(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Looked> {
        if let Projection::New { call, looking } = self.as_mut().project() {
            let Some(call) = call.take() else {
                return Poll::Pending;
            };
            let looking = looking(call);
            self.set(Self::First { looking });
        }
        match self.project() {
            Projection::First { looking } => looking.poll(context),
            Projection::Again { looking } => looking.as_mut().poll(context),
            Projection::New { .. } | Projection::Addressed => Poll::Pending,
        }
    }

    fn again(mut self: Pin<&mut Self>, search: Box<Search>) {
        let looking = searching(search);
        self.set(Self::Again { looking });
    }

    fn addressed(mut self: Pin<&mut Self>) {
        self.set(Self::Addressed);
    }
}

impl<R, L> fmt::Debug for Lookup<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}

fn searching(search: Box<Search>) -> Pin<Box<dyn Future<Output = Looked> + Send>> {
    Box::pin(search.run())
}

fn wait_for_search(search: Box<Search>) -> Looked {
    exec::wait(search.run())
}

/// Looks for an answer, for a sync function: on a thread with a runtime or without.
pub fn lookup_sync<R>(call: Call, codec: Codec<R>) -> Step<R> {
    let call = match copied(call, Flow::Sync, &codec) {
        ControlFlow::Break(returned) => return Step::Done(returned),
        ControlFlow::Continue(call) => call,
    };
    let mut looked = look_sync(call);
    loop {
        let again = match step(looked, codec) {
            Read::Step(step) => return step,
            Read::Unusable(search) => search,
            Read::Addressed => address::leave(),
        };
        looked = wait_for_search(again);
    }
}

enum Read<R> {
    Step(Step<R>),
    Unusable(Box<Search>),
    Addressed,
}

/// The found bytes as the function's type, if they are.
fn step<R>(looked: Looked, codec: Codec<R>) -> Read<R> {
    let found = match looked {
        Looked::Load(load) => return Read::Step(Step::Load(Slot::new(load, codec))),
        Looked::Addressed => return Read::Addressed,
        Looked::Found(found) => found,
    };
    let (returned, absent) = match guard::of_user(|| (codec.decode)(&found.json)) {
        Some(Ok(read)) => read,
        // Also if reading it panicked: the body's value replaces it.
        Some(Err(_)) | None => return Read::Unusable(found.unreadable()),
    };
    let read = match codec.copies {
        None => found.read(absent, None),
        Some(copies) => {
            let take = |life| guard::of_user(|| (copies().take)(&returned, life)).flatten();
            found.read(absent, Some(&take))
        }
    };
    match read {
        ControlFlow::Break(None) => Read::Step(Step::Done(returned)),
        ControlFlow::Break(Some(refresh)) => {
            Read::Step(Step::Stale(returned, Slot::new(refresh, codec)))
        }
        ControlFlow::Continue(search) => Read::Unusable(search),
    }
}
