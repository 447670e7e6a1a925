//! Calls in the destructors of thread-locals, which run in no order that anybody knows: the bodies run, or
//! values are found, and nothing ends the process.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;

use cache_runtime::{Cache, read_through};

use crate::support::{Server, in_own_process, is_own_process};

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "plain", key = "n", ttl = 60)]
fn plain(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "near", key = "n", ttl = 60, near)]
fn near(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "stale", key = "n", ttl = "1ms", stale = "1h")]
fn stale(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "later", key = "n", ttl = 60)]
async fn later(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

/// What a thread has that makes calls at its end.
struct Last {
    cache: Cache,
    tell: mpsc::Sender<u64>,
}

impl Drop for Last {
    fn drop(&mut self) {
        let cache = &self.cache;
        let inside = cache.enter();
        // Stored before, and not.
        let sync = plain(1) + plain(fresh()) + near(1) + near(fresh()) + stale(1);
        let later = pollster::block_on(async { later(1).await + later(fresh()).await });
        drop(inside);
        // An error where the thread cannot wait, and no panic.
        let _ = cache.blocking().invalidate("any");
        let _ = cache.blocking().get::<u64>("any");
        let _ = cache.blocking().ping();
        self.tell.send(u64::from(sync > 0 && later > 0)).unwrap();
    }
}

fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    NEXT.fetch_add(1, Relaxed)
}

thread_local! {
    static FIRST: OnceCell<Last> = const { OnceCell::new() };
    static SECOND: OnceCell<Last> = const { OnceCell::new() };
    static THIRD: OnceCell<Last> = const { OnceCell::new() };
    /// A future of a call that has not ended.
    static HALF: Cell<Option<std::pin::Pin<Box<dyn Future<Output = u64>>>>> = const { Cell::new(None) };
}

/// What a thread does first, second and third, before the last of its thread-locals is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Uses {
    Nothing,
    Hit,
    Near,
    Miss,
    Tokio,
    Verb,
}

const ALL: [Uses; 6] = [
    Uses::Nothing,
    Uses::Hit,
    Uses::Near,
    Uses::Miss,
    Uses::Tokio,
    Uses::Verb,
];

impl Uses {
    fn run(self, cache: &Cache) {
        let _inside = cache.enter();
        match self {
            Self::Nothing => {}
            // In memory it needs nothing of tokio.
            Self::Hit => assert_eq!(plain(1), 1),
            Self::Near => assert_eq!(near(1) + near(1), 2),
            Self::Miss => assert!(plain(fresh()) > 0),
            Self::Tokio => drop(tokio::runtime::Handle::try_current()),
            Self::Verb => drop(cache.blocking().get::<u64>("any")),
        }
    }
}

const CALLS: &str = "ending::calls_of_ending_threads_run_their_bodies";

#[test]
fn calls_of_ending_threads_run_their_bodies() {
    if !is_own_process(CALLS) {
        let server = Server::start();
        in_own_process(CALLS, &[("URL", &server.url())]);
        return;
    }
    let url = std::env::var("URL").unwrap();
    for cache in [crate::support::patient(&url), Cache::in_memory()] {
        {
            let _inside = cache.enter();
            let stored = plain(1) + near(1) + stale(1) + pollster::block_on(later(1));
            assert_eq!(stored, 4);
        }
        for first in ALL {
            for second in ALL {
                let (tell, told) = mpsc::channel();
                let cache = cache.clone();
                let thread = std::thread::spawn(move || {
                    let last = || Last {
                        cache: cache.clone(),
                        tell: tell.clone(),
                    };
                    FIRST.with(|of| of.set(last()).ok().unwrap());
                    first.run(&cache);
                    SECOND.with(|of| of.set(last()).ok().unwrap());
                    second.run(&cache);
                    THIRD.with(|of| of.set(last()).ok().unwrap());
                });
                thread.join().unwrap();
                let told: Vec<_> = told.iter().collect();
                assert_eq!(told, [1, 1, 1], "{first:?}, {second:?}");
            }
        }
    }
}

const LEFT: &str = "ending::a_call_left_to_a_thread_is_dropped";

#[test]
fn a_call_left_to_a_thread_is_dropped() {
    #[read_through(name = "endless", key = "n", ttl = 60)]
    async fn endless(n: u64) -> u64 {
        std::future::pending::<()>().await;
        n
    }

    if !is_own_process(LEFT) {
        let server = Server::start();
        in_own_process(LEFT, &[("URL", &server.url())]);
        return;
    }
    let url = std::env::var("URL").unwrap();
    let cache = crate::support::patient(&url);
    let of_thread = cache.clone();
    let left = std::thread::spawn(move || {
        HALF.set(None);
        let mut call: std::pin::Pin<Box<dyn Future<Output = u64>>> =
            Box::pin(of_thread.clone().scope(endless(1)));
        let loads = || {
            of_thread
                .stats()
                .function("endless")
                .map_or(0, |of| of.loads)
        };
        while loads() == 0 {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        HALF.set(Some(call));
    });
    left.join().unwrap();
    let began = std::time::Instant::now();
    while cache.stats().function("endless").unwrap().released == 0 {
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
        std::thread::yield_now();
    }
}
