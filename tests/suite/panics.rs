//! Code of a value that panics in the cache costs the cache the value, and no caller an answer.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cache_runtime::{Cache, ErrorKind, Seen, observe, read_through};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::Server;

/// What panics on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Nothing,
    Read,
    HalfRead,
    Write,
    Equal,
    Clone,
    Drop,
}

thread_local! {
    static AT: Cell<At> = const { Cell::new(At::Nothing) };
}

fn panics(at: At) {
    assert!(AT.get() != at, "on purpose");
}

#[derive(Debug)]
struct Touchy(u64);

impl Drop for Touchy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panics(At::Drop);
        }
    }
}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        panics(At::Clone);
        Self(self.0)
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        panics(At::Equal);
        self.0 == other.0
    }
}

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        panics(At::Write);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        panics(At::Read);
        let read = Self(u64::deserialize(deserializer)?);
        if AT.get() == At::HalfRead {
            AT.set(At::Drop);
            return Err(serde::de::Error::custom("half read"));
        }
        Ok(read)
    }
}

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "touchy", key = "id", ttl = 60)]
async fn touchy(id: u64) -> Touchy {
    BODIES.fetch_add(1, Relaxed);
    Touchy(id)
}

#[read_through(name = "touchy_near", key = "id", ttl = 60, near)]
async fn touchy_near(id: u64) -> Touchy {
    Touchy(id)
}

/// Runs with this part of a value panicking.
async fn with<F: Future>(at: At, call: F) -> F::Output {
    AT.set(at);
    let output = call.await;
    AT.set(At::Nothing);
    output
}

fn caches(server: &Server) -> [Cache; 2] {
    [server.patient(), Cache::in_memory()]
}

#[tokio::test]
async fn a_value_whose_reading_panics_is_replaced() {
    let server = Server::start();
    for cache in caches(&server) {
        for at in [At::Read, At::HalfRead] {
            cache.set(touchy::key(1), &7_u64, None).await.unwrap();
            let (read, seen) = cache.scope(with(at, observe(touchy(1)))).await;
            // The new one cannot be read back either while that panics.
            assert_eq!((read.0, seen), (1, Seen::Loaded), "{at:?}");
            let (read, _) = cache.scope(observe(touchy(1))).await;
            assert_eq!(read.0, 1, "{at:?}");
            let (read, seen) = cache.scope(observe(touchy(1))).await;
            assert_eq!((read.0, seen), (1, Seen::Stored), "{at:?}");
        }
        assert_eq!(cache.stats().function("touchy").unwrap().unreadable, 2);
    }
}

#[tokio::test]
async fn a_value_whose_writing_panics_is_returned() {
    let server = Server::start();
    for cache in caches(&server) {
        for at in [At::Write, At::Equal, At::Read] {
            let (read, seen) = cache.scope(with(at, observe(touchy(2)))).await;
            assert_eq!((read.0, seen), (2, Seen::Loaded), "{at:?}");
            assert_eq!(cache.scope(touchy::peek(2)).await.unwrap(), None, "{at:?}");
        }
        assert_eq!(cache.stats().function("touchy").unwrap().unstorable, 3);
    }
}

#[tokio::test]
async fn a_panic_in_a_companion_is_an_error() {
    let server = Server::start();
    for cache in caches(&server) {
        for at in [At::Write, At::Equal, At::Read] {
            let value = Touchy(3);
            AT.set(at);
            // The value is written when the verb is called.
            let put = touchy::put(3, &value);
            AT.set(At::Nothing);
            let error = cache.scope(put).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode, "{at:?}");
        }
        cache.scope(touchy::put(3, &Touchy(3))).await.unwrap();
        let error = cache
            .scope(with(At::Read, touchy::peek(3)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let peeked = cache.scope(touchy::peek(3)).await.unwrap();
        assert_eq!(peeked.unwrap().0, 3);
    }
}

#[tokio::test]
async fn a_copy_whose_clone_panics_is_removed() {
    let server = Server::start();
    for cache in caches(&server) {
        let call = || cache.scope(observe(touchy_near(1)));
        call().await;
        while call().await.1 != Seen::Near {}
        let (read, seen) = with(At::Clone, call()).await;
        assert_eq!((read.0, seen), (1, Seen::Stored));
        assert_eq!(call().await.1, Seen::Stored, "there is no copy any more");
        assert_eq!(call().await.1, Seen::Near, "there is a new one");
    }
}

#[tokio::test]
async fn a_copy_whose_destructor_panics_is_removed() {
    let cache = Cache::in_memory();
    let call = || cache.scope(observe(touchy_near(1)));
    call().await;
    while call().await.1 != Seen::Near {}
    let removed = with(At::Drop, cache.scope(touchy_near::invalidate(1))).await;
    assert_eq!(removed.unwrap(), cache_runtime::Invalidated::Removed);
    assert_eq!(call().await.1, Seen::Loaded);
}

/// It calls the very function whose value it is, while that is stored.
struct Recursive(u64);

impl fmt::Debug for Recursive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Recursive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
        if !INSIDE.replace(true) {
            assert_eq!(recursive(self.0).0, self.0);
            INSIDE.set(false);
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recursive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

#[read_through(name = "recursive", key = "id", ttl = 60)]
fn recursive(id: u64) -> Recursive {
    Recursive(id)
}

#[test]
fn a_call_from_within_serialize_runs_through() {
    let server = Server::start();
    for cache in caches(&server) {
        let begun = std::time::Instant::now();
        {
            let _entered = cache.enter();
            assert_eq!(recursive(1).0, 1);
            assert_eq!(recursive(1).0, 1);
        }
        // A call that waits for itself takes ten seconds.
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
        let of = cache.stats().function("recursive").unwrap().clone();
        assert_eq!((of.hits, of.stored), (1, 1));
    }
}
