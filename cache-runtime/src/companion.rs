//! What `load_user::` offers beside the function: verbs on the value that some arguments stand
//! for.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::address::no_cache;
use crate::config::Config;
use crate::current::Current;
use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::guard;
use crate::json::{Codec, Compare, Decode, Stored, unreadable};
use crate::keep::Inner;
use crate::key::{Key, Prefix};
use crate::load::{keep_time, time_to_live};
use crate::request::Call;
use crate::store::Invalidated;

/// A verb under way.
pub type Op<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The key of a call as the server has it: under the prefix of the cache that the call would use.
#[must_use]
pub fn key(call: Call) -> String {
    match call.of_companion().resolve() {
        (Some(cache), key) => key.on_server(cache.prefix()),
        (None, key) => key.on_server(&Prefix::new(&Config::new("").prefix)),
    }
}

// The cache is looked up when the future is polled, not when it is made: `cache.scope(..)` is
// handed the finished future and means it all the same.
fn resolve(call: Call) -> Result<(Current, Key), Error> {
    let (cache, key) = call.resolve();
    let cache = cache.ok_or_else(no_cache)?;
    let key = cache.usable(key)?;
    Ok((cache, key))
}

/// Forgets the value of a call.
pub fn invalidate(call: Call) -> Op<Invalidated> {
    let call = call.of_companion();
    Box::pin(async move {
        let spec = call.spec();
        let (cache, key) = resolve(call)?;
        cache.invalidate_of(spec, key).await
    })
}

/// The same for a sync function.
///
/// # Errors
/// As [`Cache::invalidate`](crate::Cache::invalidate).
pub fn invalidate_sync(call: Call) -> Result<Invalidated, Error> {
    exec::wait(invalidate(call))
}

/// Stores a value for a call. `ttl` overrides the function's own.
pub fn put<R, V>(
    call: Call,
    value: &(impl Stored<R, V> + ?Sized),
    codec: Codec<R>,
    comparison: impl Compare<V>,
    ttl: Option<Option<Duration>>,
) -> Op<()> {
    let json = value.json(codec, comparison, call.spec());
    put_json(call, json, ttl)
}

fn put_json(
    call: Call,
    json: Result<(Vec<u8>, bool), Error>,
    ttl: Option<Option<Duration>>,
) -> Op<()> {
    let call = call.of_companion();
    Box::pin(async move {
        if call.is_ambiguous() {
            return Err(ambiguous());
        }
        let spec = call.spec();
        let (cache, key) = resolve(call)?;
        let (json, absent) = json?;
        let ttl = time_to_live(spec, absent, ttl);
        cache.put(&key, json, ttl, keep_time(spec, ttl)).await
    })
}

fn ambiguous() -> Error {
    Error::new(
        ErrorKind::NotCached,
        "another function has the name of this one, so neither of them uses the cache; give each a \
         `name` of its own",
    )
}

/// The same for a sync function.
///
/// # Errors
/// As [`Cache::set`](crate::Cache::set).
pub fn put_sync<R, V>(
    call: Call,
    value: &(impl Stored<R, V> + ?Sized),
    codec: Codec<R>,
    comparison: impl Compare<V>,
    ttl: Option<Option<Duration>>,
) -> Result<(), Error> {
    exec::wait(put(call, value, codec, comparison, ttl))
}

/// Reads the stored values of some calls, in one round trip to each cache that they use.
///
/// The future is named and holds two function pointers instead of being an `async fn`, which would
/// be compiled anew for every return type.
#[must_use = "futures do nothing unless polled"]
pub struct PeekMany<R, V> {
    fetch: Op<Vec<Option<Vec<u8>>>>,
    decode: Decode<R>,
    inner: fn(R) -> Option<V>,
}

/// Reads the stored values of the calls that some arguments make.
pub fn peek_many<R: Inner<V>, V, A>(
    arguments: impl IntoIterator<Item = A>,
    mut call: impl FnMut(A) -> Call,
    codec: Codec<R>,
) -> PeekMany<R, V> {
    let calls = arguments.into_iter().map(|each| call(each).of_companion());
    PeekMany {
        fetch: fetch_many(calls.collect()),
        decode: codec.decode,
        inner: R::inner,
    }
}

fn fetch_many(calls: Vec<Call>) -> Op<Vec<Option<Vec<u8>>>> {
    Box::pin(async move {
        let mut found = vec![None; calls.len()];
        for (cache, asked) in by_cache(calls)? {
            let (places, keys): (Vec<usize>, Vec<Key>) = asked.into_iter().unzip();
            let values = cache.fetch_many(&keys).await?;
            for (place, value) in places.into_iter().zip(values) {
                found[place] = value;
            }
        }
        Ok(found)
    })
}

type Placed = Vec<(usize, Key)>;

/// The keys with their places: the option `cache` may name another one for each call.
fn by_cache(calls: Vec<Call>) -> Result<Vec<(Current, Placed)>, Error> {
    let mut all: Vec<(Current, Placed)> = Vec::new();
    // The value at the key of an ambiguous call may be that of another function.
    let calls = calls.into_iter().enumerate();
    for (place, call) in calls.filter(|(_, call)| !call.is_ambiguous()) {
        let (cache, key) = resolve(call)?;
        match all.iter_mut().find(|(known, _)| known.is_same(&cache)) {
            Some((_, asked)) => asked.push((place, key)),
            None => all.push((cache, vec![(place, key)])),
        }
    }
    Ok(all)
}

impl<R, V> Future for PeekMany<R, V> {
    type Output = Result<Vec<Option<V>>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let found = ready!(self.fetch.as_mut().poll(context))?;
        let read = |json: Option<Vec<u8>>| match json {
            None => Ok(None),
            Some(json) => {
                let read = || (self.decode)(&json).map(|(returned, _)| (self.inner)(returned));
                guard::of_user(read).unwrap_or_else(|| Err(unreadable()))
            }
        };
        Poll::Ready(found.into_iter().map(read).collect())
    }
}

impl<R, V> fmt::Debug for PeekMany<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekMany").finish_non_exhaustive()
    }
}

/// The same for a sync function.
///
/// # Errors
/// As [`Cache::get`](crate::Cache::get).
pub fn peek_many_sync<R: Inner<V>, V, A>(
    arguments: impl IntoIterator<Item = A>,
    call: impl FnMut(A) -> Call,
    codec: Codec<R>,
) -> Result<Vec<Option<V>>, Error> {
    exec::wait(peek_many(arguments, call, codec))
}

/// Reads the stored value of a call.
#[must_use = "futures do nothing unless polled"]
pub struct Peek<R, V> {
    one: PeekMany<R, V>,
    stored: PhantomData<fn() -> V>,
}

/// Reads the stored value of a call; the body does not run.
pub fn peek<R: Inner<V>, V>(call: Call, codec: Codec<R>) -> Peek<R, V> {
    Peek {
        one: peek_many([call], |call| call, codec),
        stored: PhantomData,
    }
}

impl<R, V> Future for Peek<R, V> {
    type Output = Result<Option<V>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let found = ready!(Pin::new(&mut self.one).poll(context))?;
        Poll::Ready(Ok(found.into_iter().next().flatten()))
    }
}

impl<R, V> fmt::Debug for Peek<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek").finish_non_exhaustive()
    }
}

/// The same for a sync function.
///
/// # Errors
/// As [`Cache::get`](crate::Cache::get).
pub fn peek_sync<R: Inner<V>, V>(call: Call, codec: Codec<R>) -> Result<Option<V>, Error> {
    exec::wait(peek(call, codec))
}
