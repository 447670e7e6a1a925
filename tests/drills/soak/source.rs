//! What the soak loads, and how its callers call: some leave half way, some have user code that panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::thread::sleep;
use std::time::Duration;

use cache_runtime::{Seen, blocking, observe, read_through};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize, Serializer};

pub const KEYS: usize = 300;
pub const THINKS: Duration = Duration::from_millis(2);
/// Of so many times one goes wrong.
const RARELY: u32 = 500;

/// The source: a version of each key, and the oldest that a call may still be handed.
pub static VERSIONS: [AtomicU64; KEYS] = [const { AtomicU64::new(0) }; KEYS];
pub static FLOORS: [AtomicU64; KEYS] = [const { AtomicU64::new(0) }; KEYS];
pub static CALLS: AtomicU64 = AtomicU64::new(0);
pub static BODIES: AtomicU64 = AtomicU64::new(0);
pub static WRONG: AtomicU64 = AtomicU64::new(0);
pub static PANICS: AtomicU64 = AtomicU64::new(0);
pub static LEFT: AtomicU64 = AtomicU64::new(0);

/// The payload of a panic on purpose.
struct OnPurpose;

/// Panics, as code of the user may, and says so nowhere.
fn panic_rarely() {
    if fastrand::u32(..RARELY) == 0 {
        resume_unwind(Box::new(OnPurpose));
    }
}

/// Its writing may panic.
#[derive(Debug, PartialEq, Deserialize)]
struct Version(u64);

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        panic_rarely();
        self.0.serialize(serializer)
    }
}

fn read(key: usize) -> (usize, Version) {
    BODIES.fetch_add(1, SeqCst);
    panic_rarely();
    (key, Version(VERSIONS[key].load(SeqCst)))
}

#[read_through(name = "soak", ttl = 5)]
async fn load(key: usize) -> (usize, Version) {
    let found = read(key);
    tokio::time::sleep(THINKS).await;
    panic_rarely();
    found
}

#[read_through(name = "soak", ttl = 5)]
fn load_sync(key: usize) -> (usize, Version) {
    let found = read(key);
    sleep(THINKS);
    panic_rarely();
    found
}

/// Counts the answer, and returns how it came; `None` for a body that panicked on purpose.
fn check(
    key: usize,
    floor: u64,
    returned: std::thread::Result<((usize, Version), Seen)>,
) -> Option<Seen> {
    CALLS.fetch_add(1, SeqCst);
    match returned {
        Ok((found, seen)) => {
            if found.0 != key || found.1.0 < floor {
                WRONG.fetch_add(1, SeqCst);
            }
            Some(seen)
        }
        Err(payload) if payload.is::<OnPurpose>() => {
            PANICS.fetch_add(1, SeqCst);
            None
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// A waker of an executor that was dropped.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new(OnPurpose));
    }
}

/// One call, of which the caller may leave. `None` if there is no answer to be timed.
pub async fn call(key: usize) -> Option<Seen> {
    let floor = FLOORS[key].load(SeqCst);
    let mut call = pin!(AssertUnwindSafe(observe(load(key))).catch_unwind());
    match fastrand::u32(..RARELY) {
        // Polled first by an executor that is not there any more.
        0..5 => {
            let waker = Waker::from(Arc::new(Panics));
            if let std::task::Poll::Ready(returned) =
                call.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return check(key, floor, returned);
            }
            check(key, floor, call.await)
        }
        5..50 => {
            let stays = Duration::from_micros(fastrand::u64(..5_000));
            match tokio::time::timeout(stays, call).await {
                Ok(returned) => check(key, floor, returned),
                Err(_) => {
                    CALLS.fetch_add(1, SeqCst);
                    LEFT.fetch_add(1, SeqCst);
                    None
                }
            }
        }
        _ => check(key, floor, call.await),
    }
}

pub fn call_sync(key: usize) -> Option<Seen> {
    let floor = FLOORS[key].load(SeqCst);
    let call = AssertUnwindSafe(|| blocking::observe(|| load_sync(key)));
    check(key, floor, catch_unwind(call))
}

/// The source changes, and its value is invalidated.
pub async fn change(key: usize) {
    let version = VERSIONS[key].fetch_add(1, SeqCst) + 1;
    if load::invalidate(key).await.is_ok() {
        FLOORS[key].fetch_max(version, SeqCst);
    }
}
