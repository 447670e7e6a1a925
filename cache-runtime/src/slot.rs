//! The typed edge of a call, on its way out: the body runs, and what it returned becomes bytes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::body::{Body, Loading as InBody};
use crate::error::Error;
use crate::exec;
use crate::guard;
use crate::json::{Codec, Encode, Written};
use crate::keep::Policy;
use crate::load::Load;
use crate::spec::Spec;

/// A load under way: what the body returns goes here.
#[derive(Debug)]
#[must_use]
pub struct Slot<R> {
    // Boxed: it stays in the future of the annotated function while the body runs.
    load: Box<Load>,
    encode: Encode<R>,
}

impl<R> Slot<R> {
    pub(crate) fn new(load: Box<Load>, codec: Codec<R>) -> Self {
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
        let loading = InBody::of(&self.load);
        let returned = loading.run(body);
        let slot = loading.run(|| decide(self, &returned));
        if let Some(fill) = slot.fill(&returned, &loading) {
            wait_for_fill(fill);
        }
        returned
    }

    /// The storing of what is kept of this return value, if anything is.
    fn fill(self, returned: &R, loading: &InBody) -> Option<Fill> {
        filling(*self.load, loading, &|spec| (self.encode)(returned, spec))
    }
}

/// Decides nothing about what the body returned.
pub fn as_it_is<R>(slot: Slot<R>, _returned: &R) -> Slot<R> {
    slot
}

/// The storing of a loaded value. Whatever comes of it, the caller has its value.
type Fill = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What writes the value is the user's code: a call of the same value from within runs through, and
/// its panic costs no caller what the body returned.
fn filling(
    load: Load,
    loading: &InBody,
    encode: &dyn Fn(&Spec) -> Result<Written, Error>,
) -> Option<Fill> {
    load.returned();
    let Some(spec) = load.spec().filter(|_| load.is_wanted()) else {
        load.unwanted();
        return None;
    };
    let written = loading.run(|| guard::of_user(|| encode(spec)));
    match written.unwrap_or_else(|| Err(Error::of_panic())) {
        Ok(Written::Error) => load.failed(),
        Ok(Written::Json { json, absent, of }) => {
            load.holds(of);
            return Some(Box::pin(load.fill(json, absent)));
        }
        Err(error) => load.unstorable(&error),
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
                Some((slot, decide)) => {
                    let loading = self.body.loading();
                    let slot = loading.run(|| decide(slot, &returned));
                    slot.fill(&returned, loading)
                }
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
            ready!(
                self.body
                    .poll_as_leader(context, |context| fill.as_mut().poll(context))
            );
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
