//! The story of one call, and the only file that knows its order.
//!
//! ```text
//! which cache   the one entered, the function's own, the installed one, or none: run the body
//! asked for     a companion or `invalidate(call)` may have asked for something else
//! store.get     a usable value: return it
//! body          the user's code, in the caller's own runtime
//! store.fill    what it returned, if it is to be kept
//! ```
//!
//! The core works on bytes and knows nothing of types. [`lookup`] and [`lookup_sync`] are two thin
//! drivers round it, which differ in how they wait.

use std::convert::Infallible;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::address::{self, Report, Request, Seen};
use crate::cache::Cache;
use crate::current;
use crate::error::ErrorKind;
use crate::exec;
use crate::json::Codec;
use crate::keep::Policy;
use crate::key::{Key, KeyWriter};
use crate::spec::{self, Absence, Spec};
use crate::stats::{Count, Counters};

/// One call on its way: the function and the key that its arguments make.
#[derive(Debug)]
pub struct Call {
    spec: &'static Spec,
    own_cache: Option<Cache>,
    key: KeyWriter,
    /// Where the parts of the key begin, behind the name and the types.
    parts: usize,
}

impl Call {
    /// A call of this function, whose key has no parts yet.
    #[must_use]
    pub fn new(spec: &'static Spec) -> Self {
        let mut key = KeyWriter::default();
        key.name(spec.name);
        key.version(spec.version);
        Self {
            spec,
            own_cache: None,
            parts: key.len(),
            key,
        }
    }

    /// The option `cache`.
    #[must_use]
    pub fn with_cache(mut self, cache: &Cache) -> Self {
        self.own_cache = Some(cache.clone());
        self
    }

    /// Makes a type part of the key.
    pub fn type_name<T: ?Sized>(&mut self) {
        self.key.separate();
        self.key.name(std::any::type_name::<T>());
        self.parts = self.key.len();
    }

    /// Makes the type of a value part of the key, where it has no name to be written.
    pub fn type_name_of<T: ?Sized>(&mut self, _value: &T) {
        self.type_name::<T>();
    }

    /// Takes the parts of the key.
    pub fn key(&mut self) -> &mut KeyWriter {
        &mut self.key
    }

    pub(crate) fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// The cache that this call uses here and now, if there is one, and the key in it.
    pub(crate) fn resolve(self) -> (Option<Cache>, Key) {
        (current::of_call(self.own_cache), self.key.finish())
    }
}

/// How a call goes on.
#[derive(Debug)]
pub enum Step<R> {
    /// The answer is there.
    Done(R),
    /// The body is to run.
    Load(Slot<R>),
}

/// Looks for a stored answer, for an async function.
pub async fn lookup<R>(call: Call, codec: Codec<R>) -> Step<R> {
    match look(call).await {
        Looked::Found(json, load) => read(&json, load, codec),
        Looked::Nothing(load) => Step::Load(Slot { load, codec }),
        // Who asked for the address drops this future now.
        Looked::Addressed => match pending::<Infallible>().await {},
    }
}

/// Looks for a stored answer, for a sync function: on a thread with a runtime or without.
pub fn lookup_sync<R>(call: Call, codec: Codec<R>) -> Step<R> {
    match exec::wait(look(call)) {
        Looked::Found(json, load) => read(&json, load, codec),
        Looked::Nothing(load) => Step::Load(Slot { load, codec }),
        Looked::Addressed => address::leave(),
    }
}

/// What the core found.
enum Looked {
    Found(Vec<u8>, Load),
    Nothing(Load),
    Addressed,
}

async fn look(call: Call) -> Looked {
    let spec = call.spec();
    let request = address::take(spec);
    spec::claim(call.key.up_to(call.parts), spec);
    let (cache, key) = call.resolve();
    if let Some(Request::Address(report)) = request {
        report.set((cache, key));
        return Looked::Addressed;
    }
    let mut load = Load::new(spec);
    if let Some(Request::Observe(report)) = &request {
        load.report = Some(report.clone());
    }
    let (Some(cache), false) = (cache, matches!(request, Some(Request::Uncached))) else {
        load.see(Seen::Bypassed);
        return Looked::Nothing(load);
    };
    let counters = cache.ledger().of(spec);
    let Ok(key) = cache.usable(key) else {
        counters.add(Count::Bypassed);
        load.see(Seen::Bypassed);
        return Looked::Nothing(load);
    };
    let found = match request {
        Some(Request::Refresh) => Ok(None),
        _ => cache.fetch(&key).await,
    };
    let Ok(found) = found else {
        // A server that did not answer the question is not asked to store the answer.
        counters.add(Count::Bypassed);
        load.see(Seen::Bypassed);
        return Looked::Nothing(load);
    };
    load.place = Some(Place {
        cache,
        key,
        counters,
    });
    match found {
        Some(json) => Looked::Found(json, load),
        None => {
            load.missed();
            Looked::Nothing(load)
        }
    }
}

/// The stored bytes as the function's type; if they are none, the body runs and its value replaces
/// them.
fn read<R>(json: &[u8], load: Load, codec: Codec<R>) -> Step<R> {
    match (codec.decode)(json) {
        Ok(returned) if !load.passes_over((codec.absent)(&returned)) => {
            load.hit();
            Step::Done(returned)
        }
        Ok(_) => {
            load.missed();
            Step::Load(Slot { load, codec })
        }
        Err(_) => {
            load.count(Count::Unreadable);
            load.missed();
            Step::Load(Slot { load, codec })
        }
    }
}

/// A load under way, whatever its type.
#[derive(Debug)]
struct Load {
    spec: &'static Spec,
    /// Where the value goes; nowhere if the call goes past the cache.
    place: Option<Place>,
    /// What the attribute decided for this value; else the function's own.
    ttl: Option<Option<Duration>>,
    refused: bool,
    report: Option<Report<Seen>>,
}

#[derive(Debug)]
struct Place {
    cache: Cache,
    key: Key,
    counters: Arc<Counters>,
}

impl Load {
    fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            place: None,
            ttl: None,
            refused: false,
            report: None,
        }
    }

    fn see(&self, seen: Seen) {
        if let Some(report) = &self.report {
            report.set(seen);
        }
    }

    fn count(&self, count: Count) {
        if let Some(place) = &self.place {
            place.counters.add(count);
        }
    }

    fn hit(&self) {
        self.count(Count::Hit);
        self.see(Seen::Stored);
    }

    fn missed(&self) {
        self.count(Count::Miss);
        self.see(Seen::Loaded);
    }

    fn passes_over(&self, absent: bool) -> bool {
        absent && self.spec.none == Absence::Passed
    }

    fn ttl(&self, absent: bool) -> Option<Duration> {
        let ttl = match self.spec.none {
            Absence::StoredFor(ttl) if absent => Some(ttl),
            _ => self.ttl.unwrap_or(self.spec.ttl),
        };
        ttl.map(|ttl| jittered(ttl, self.spec.jitter_percent))
    }
}

/// Up to so many percent less, so that values stored together do not expire together.
pub(crate) fn jittered(ttl: Duration, percent: u8) -> Duration {
    if percent == 0 {
        return ttl;
    }
    let most = ttl.mul_f64(f64::from(percent) / 100.0);
    let less = ttl.saturating_sub(most.mul_f64(fastrand::f64()));
    // A whole number of milliseconds is what a server can keep.
    Duration::from_millis(u64::try_from(less.as_millis()).unwrap_or(u64::MAX))
}

/// A load under way: what the body returns goes here.
#[derive(Debug)]
#[must_use]
pub struct Slot<R> {
    load: Load,
    codec: Codec<R>,
}

impl<R> Slot<R> {
    /// The time to live that an expression or a closure of the attribute gave.
    pub fn ttl(mut self, ttl: Option<Duration>) -> Self {
        self.load.ttl = Some(ttl);
        self
    }

    /// Whether the attribute lets this value be stored.
    pub fn store_if(mut self, store: bool) -> Self {
        self.load.refused = !store;
        self
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
        let absent = (self.codec.absent)(returned);
        if self.load.refused || self.load.passes_over(absent) {
            return None;
        }
        let ttl = self.load.ttl(absent);
        let place = self.load.place?;
        match (self.codec.encode)(returned)? {
            Ok(json) => Some(Fill { place, json, ttl }),
            Err(_) => {
                place.counters.add(Count::Unstorable);
                None
            }
        }
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

impl<K, R> std::fmt::Debug for Kept<K, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// The storing of a loaded value. Whatever comes of it, the caller has its value.
#[derive(Debug)]
#[must_use]
pub struct Fill {
    place: Place,
    json: Vec<u8>,
    ttl: Option<Duration>,
}

impl Fill {
    /// Stores the value, for a sync function.
    pub fn wait(self) {
        exec::wait(self.run());
    }

    async fn run(self) {
        let Place {
            cache,
            key,
            counters,
        } = self.place;
        let outcome = cache.fill(&key, self.json, self.ttl).await;
        counters.add(match outcome.map_err(|error| error.kind()) {
            Ok(()) => Count::Stored,
            Err(ErrorKind::TooLarge | ErrorKind::Ttl) => Count::Unstorable,
            Err(_) => Count::StoreFailed,
        });
    }
}

impl IntoFuture for Fill {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_takes_off_and_never_more_than_it_says() {
        let ttl = Duration::from_secs(1000);
        let drawn: Vec<_> = (0..1000).map(|_| jittered(ttl, 10)).collect();
        assert!(drawn.iter().all(|drawn| *drawn <= ttl));
        assert!(drawn.iter().all(|drawn| *drawn >= Duration::from_secs(900)));
        assert!(drawn.iter().any(|drawn| *drawn < Duration::from_secs(950)));
        assert_eq!(jittered(ttl, 0), ttl);
    }
}
