//! The typed edge of a call: bytes become the function's type and its return value becomes bytes.
//!
//! [`lookup`] and [`lookup_sync`] are two thin drivers round the one story in [`call`](crate::call);
//! they differ in how they wait.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::time::Duration;

use crate::address;
use crate::body::{self, Body};
use crate::call::{Looked, Search, look, near};
use crate::exec;
use crate::json::{Codec, Encoded};
use crate::keep::Policy;
use crate::load::Load;
use crate::request::Call;

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

/// Looks for an answer, for an async function.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds each of its arguments twice"
)]
pub fn lookup<R>(call: Call, codec: Codec<R>) -> impl Future<Output = Step<R>> + Send {
    async move {
        if let Some(returned) = near(&call, &codec) {
            call.recycle();
            return Step::Done(returned);
        }
        let mut looked = look(call).await;
        loop {
            // Nothing of type `R` is held over an await: it need not be `Send`.
            let again = match step(looked, codec) {
                Read::Step(step) => return step,
                Read::Unusable(search) => Some(Box::pin(search.run())),
                Read::Addressed => None,
            };
            looked = match again {
                Some(again) => again.await,
                // Who asked for the address drops this future now.
                None => match pending::<Infallible>().await {},
            };
        }
    }
}

/// Looks for an answer, for a sync function: on a thread with a runtime or without.
pub fn lookup_sync<R>(call: Call, codec: Codec<R>) -> Step<R> {
    if let Some(returned) = near(&call, &codec) {
        call.recycle();
        return Step::Done(returned);
    }
    let mut looked = exec::wait(look(call));
    loop {
        let again = match step(looked, codec) {
            Read::Step(step) => return step,
            Read::Unusable(search) => search,
            Read::Addressed => address::leave(),
        };
        looked = exec::wait(again.run());
    }
}

enum Read<R> {
    Step(Step<R>),
    Unusable(Search),
    Addressed,
}

/// The found bytes as the function's type, if they are.
fn step<R>(looked: Looked, codec: Codec<R>) -> Read<R> {
    let mut found = match looked {
        Looked::Load(load) => return Read::Step(Step::Load(Slot::new(load, codec))),
        Looked::Addressed => return Read::Addressed,
        Looked::Found(found) => found,
    };
    match (codec.decode)(&found.json) {
        Ok(returned) if !found.passes_over((codec.absent)(&returned)) => {
            if let Some(copies) = codec.copies {
                found.keep_near(|life| (copies().take)(&returned, life));
            }
            Read::Step(match found.used() {
                None => Step::Done(returned),
                Some(load) => Step::Stale(returned, Slot::new(load, codec)),
            })
        }
        Ok(_) => Read::Unusable(found.absent()),
        Err(_) => Read::Unusable(found.unreadable()),
    }
}

/// A load under way: what the body returns goes here.
#[derive(Debug)]
#[must_use]
pub struct Slot<R> {
    // Boxed: it stays in the future of the annotated function while the body runs.
    load: Box<Load>,
    encode: fn(&R) -> Option<Encoded>,
    absent: fn(&R) -> bool,
}

impl<R> Slot<R> {
    fn new(load: Box<Load>, codec: Codec<R>) -> Self {
        Self {
            load,
            encode: codec.encode,
            absent: codec.absent,
        }
    }

    /// The time to live that an expression or a closure of the attribute gave.
    pub fn ttl(mut self, ttl: Option<Duration>) -> Self {
        self.load.ttl = Some(ttl);
        self
    }

    /// Whether the attribute lets this value be stored.
    pub fn store_if(mut self, store: bool) -> Self {
        self.load.left_out = !store;
        self
    }

    /// The body of an async function: while it is polled, calls of the same value run through.
    pub fn run<F: Future<Output = R>>(&self, body: F) -> Body<F> {
        body::of(&self.load, body)
    }

    /// The body of a sync function.
    pub fn run_sync(&self, body: impl FnOnce() -> R) -> R {
        body::run_sync(&self.load, body)
    }

    /// Takes apart what the body returned. Only what is kept stays with the caller while it is
    /// stored, so that an error that is not `Send` does not make the caller's future so.
    pub fn loaded<P: Policy<R>>(self, _policy: P, returned: R) -> Loaded<R, P::Kept> {
        let Some(fill) = self.fill(&returned) else {
            return Loaded::Pass(returned);
        };
        match P::split(returned) {
            Ok(value) => Loaded::Keep(
                Kept {
                    value,
                    join: P::join,
                },
                fill,
            ),
            Err(returned) => Loaded::Pass(returned),
        }
    }

    fn fill(self, returned: &R) -> Option<Fill> {
        let load = self.load;
        load.returned();
        if !load.is_wanted() {
            load.unwanted();
            return None;
        }
        let absent = (self.absent)(returned);
        match (self.encode)(returned) {
            None => load.failed(),
            Some(Err(error)) => load.unstorable(&error),
            Some(Ok(json)) => return Some(Fill { load, json, absent }),
        }
        None
    }
}

/// What the body returned, taken apart.
#[derive(Debug)]
pub enum Loaded<R, K> {
    /// Nothing of it is kept.
    Pass(R),
    /// The kept part, and the storing of it.
    Keep(Kept<K, R>, Fill),
}

/// The part of a return value that is kept, and how it becomes the return value again.
///
/// No policy is named in its type: in a future that holds this over an await, the compiler takes
/// the lifetimes in a policy and in `R` for different ones, and finds no such policy.
pub struct Kept<K, R> {
    value: K,
    join: fn(K) -> R,
}

impl<K, R> Kept<K, R> {
    /// The return value again.
    pub fn join(self) -> R {
        (self.join)(self.value)
    }
}

impl<K, R> fmt::Debug for Kept<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// The storing of a loaded value. Whatever comes of it, the caller has its value.
#[derive(Debug)]
#[must_use]
pub struct Fill {
    load: Box<Load>,
    json: Vec<u8>,
    absent: bool,
}

impl Fill {
    /// Stores the value, for a sync function.
    pub fn wait(self) {
        exec::wait(self.load.fill(self.json, self.absent));
    }
}

impl IntoFuture for Fill {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.load.fill(self.json, self.absent))
    }
}
