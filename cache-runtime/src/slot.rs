//! The typed edge of a call: bytes become the function's type and its return value becomes bytes.
//!
//! [`lookup`] and [`lookup_sync`] are two thin drivers round the one story in [`call`](crate::call);
//! they differ in how they wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::address;
use crate::body::{self, Body};
use crate::call::{Looked, Search, look, near};
use crate::exec;
use crate::json::{Codec, Encode, Encoded};
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

/// Looks for the bytes of an answer. A hit allocates nothing: what it takes to wait for it is in the
/// future of the annotated function.
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
        if let Some(new) = this.looking.as_mut().new_call()
            && let Some(call) = new
            && let Some(returned) = near(call, this.codec)
        {
            recycle(new);
            return Poll::Ready(Step::Done(returned));
        }
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
    /// The call, before anything was done about it.
    fn new_call(self: Pin<&mut Self>) -> Option<&mut Option<Call>> {
        match self.project() {
            Projection::New { call, .. } => Some(call),
            _ => None,
        }
    }

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

    fn again(mut self: Pin<&mut Self>, search: Search) {
        let looking = searching(search);
        self.set(Self::Again { looking });
    }

    fn addressed(mut self: Pin<&mut Self>) {
        self.set(Self::Addressed);
    }
}

fn recycle(call: &mut Option<Call>) {
    if let Some(call) = call.take() {
        call.recycle();
    }
}

impl<R, L> fmt::Debug for Lookup<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}

// A function without a type parameter, as are all that begin something long here: what they begin
// is compiled once, in this crate, and not again in every crate with an annotated function.
fn searching(search: Search) -> Pin<Box<dyn Future<Output = Looked> + Send>> {
    Box::pin(search.run())
}

fn wait_for_look(call: Call) -> Looked {
    exec::wait(look(call))
}

fn wait_for_search(search: Search) -> Looked {
    exec::wait(search.run())
}

/// Looks for an answer, for a sync function: on a thread with a runtime or without.
pub fn lookup_sync<R>(call: Call, codec: Codec<R>) -> Step<R> {
    if let Some(returned) = near(&call, &codec) {
        call.recycle();
        return Step::Done(returned);
    }
    let mut looked = wait_for_look(call);
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
        Ok((returned, absent)) if !found.passes_over(absent) => {
            if let Some(copies) = codec.copies {
                found.keep_near(&|life| (copies().take)(&returned, life));
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
    encode: Encode<R>,
}

impl<R> Slot<R> {
    fn new(load: Box<Load>, codec: Codec<R>) -> Self {
        Self {
            load,
            encode: codec.encode,
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

    /// Runs the body of an async function and stores what is kept of what it returns, after `decide`
    /// has seen it.
    pub fn load<P, F, D>(self, policy: P, body: Pin<Box<F>>, decide: D) -> Loading<R, P::Kept, F, D>
    where
        P: Policy<R>,
        F: Future<Output = R> + ?Sized,
        D: FnOnce(Self, &R) -> Self,
    {
        Loading::new(self, Keeping::by(policy), body, decide)
    }

    /// The same for a sync function.
    pub fn load_sync(self, body: impl FnOnce() -> R, decide: impl FnOnce(Self, &R) -> Self) -> R {
        let returned = body::run_sync(&self.load, body);
        if let Some(fill) = decide(self, &returned).fill(&returned) {
            wait_for_fill(fill);
        }
        returned
    }

    /// The storing of what is kept of this return value, if anything is.
    fn fill(self, returned: &R) -> Option<Fill> {
        self.load.returned();
        if !self.load.is_wanted() {
            self.load.unwanted();
            return None;
        }
        filling(*self.load, (self.encode)(returned))
    }
}

/// Decides nothing about what the body returned.
pub fn as_it_is<R>(slot: Slot<R>, _returned: &R) -> Slot<R> {
    slot
}

/// The storing of a loaded value. Whatever comes of it, the caller has its value.
type Fill = Pin<Box<dyn Future<Output = ()> + Send>>;

fn filling(load: Load, encoded: Option<(Encoded, bool)>) -> Option<Fill> {
    match encoded {
        None => load.failed(),
        Some((Err(error), _)) => load.unstorable(&error),
        Some((Ok(json), absent)) => return Some(Box::pin(load.fill(json, absent))),
    }
    None
}

fn wait_for_fill(fill: Fill) {
    exec::wait(fill);
}

/// How the part of a return value that is kept is taken out of it and put back.
///
/// No policy is named in its type: in a future that holds this over an await, the compiler takes
/// the lifetimes in a policy and in `R` for different ones, and finds no such policy.
pub(crate) struct Keeping<R, K> {
    split: fn(R) -> Result<K, R>,
    join: fn(K) -> R,
}

impl<R, K> Clone for Keeping<R, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, K> Copy for Keeping<R, K> {}

impl<R, K> Keeping<R, K> {
    pub(crate) fn by<P: Policy<R, Kept = K>>(_policy: P) -> Self {
        Self {
            split: P::split,
            join: P::join,
        }
    }
}

/// A load on its way: the body, and then the storing of what it returned.
///
/// While that is stored, only what is kept of it stays with the caller, so that an error that is
/// not `Send` does not make the caller's future so.
#[must_use = "futures do nothing unless polled"]
pub struct Loading<R, K, F: ?Sized, D> {
    body: Body<F>,
    decide: Option<(Slot<R>, D)>,
    fill: Option<(K, Fill)>,
    keeping: Keeping<R, K>,
}

// What has to stay where it is stands in boxes.
impl<R, K, F: ?Sized, D> Unpin for Loading<R, K, F, D> {}

impl<R, K, F, D> Loading<R, K, F, D>
where
    F: Future<Output = R> + ?Sized,
    D: FnOnce(Slot<R>, &R) -> Slot<R>,
{
    pub(crate) fn new(slot: Slot<R>, keeping: Keeping<R, K>, body: Pin<Box<F>>, decide: D) -> Self {
        Self {
            body: Body::of(&slot.load, body),
            decide: Some((slot, decide)),
            fill: None,
            keeping,
        }
    }

    pub(crate) fn poll_loaded(&mut self, context: &mut Context<'_>) -> Poll<R> {
        if self.fill.is_none() {
            let returned = ready!(self.body.poll(context));
            let fill = match self.decide.take() {
                Some((slot, decide)) => decide(slot, &returned).fill(&returned),
                None => None,
            };
            let Some(fill) = fill else {
                return Poll::Ready(returned);
            };
            match (self.keeping.split)(returned) {
                Ok(value) => self.fill = Some((value, fill)),
                Err(returned) => return Poll::Ready(returned),
            }
        }
        if let Some((_, fill)) = &mut self.fill {
            ready!(fill.as_mut().poll(context));
        }
        match self.fill.take() {
            Some((value, _)) => Poll::Ready((self.keeping.join)(value)),
            None => Poll::Pending,
        }
    }
}

impl<R, K, F, D> Future for Loading<R, K, F, D>
where
    F: Future<Output = R> + ?Sized,
    D: FnOnce(Slot<R>, &R) -> Slot<R>,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        self.get_mut().poll_loaded(context)
    }
}

impl<R, K, F: ?Sized, D> fmt::Debug for Loading<R, K, F, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading").finish_non_exhaustive()
    }
}
