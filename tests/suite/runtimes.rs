//! Every kind of runtime, and every verb in it: what is right comes back, and soon.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_runtime::{Cache, Invalidated, Seen, invalidate, observe, read_through, refresh};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::support::{Server, runtime};

/// Each verb of all takes far less.
const SOON: Duration = Duration::from_secs(20);

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "plain", key = "n", ttl = 60)]
async fn plain(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "sync", key = "n", ttl = 60)]
fn sync(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "near", key = "n", ttl = 60, near)]
async fn near(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "stale", key = "n", ttl = "1ms", stale = "1h")]
async fn stale(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "stale_sync", key = "n", ttl = "1ms", stale = "1h")]
fn stale_sync(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "detached", key = "n", ttl = 60, detach)]
async fn detached(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

/// Past the ttl of the functions with `stale`.
fn grow_old(cache: &Cache) {
    std::thread::sleep(Duration::from_millis(3));
    cache.advance(Duration::from_millis(3));
}

/// Every verb, in a runtime of some kind. It waits by nothing of that runtime itself.
async fn all_verbs(cache: Cache, n: u64) {
    let hit = |seen| assert!(matches!(seen, Seen::Stored | Seen::Near), "{seen:?}");
    assert_eq!(observe(plain(n)).await, (n, Seen::Loaded));
    hit(observe(plain(n)).await.1);
    assert_eq!(invalidate(plain(n)).await.unwrap(), Invalidated::Removed);
    assert_eq!(observe(plain(n)).await, (n, Seen::Loaded));
    assert_eq!(refresh(plain(n)).await, n);
    assert_eq!(plain::refresh(n).await, n);
    hit(observe(plain(n)).await.1);

    assert_eq!((sync(n), sync(n)), (n, n));
    assert_eq!(sync::refresh(n), n);
    assert_eq!(sync::invalidate(n).unwrap(), Invalidated::Removed);

    assert_eq!(observe(near(n)).await, (n, Seen::Loaded));
    for _ in 0..3 {
        hit(observe(near(n)).await.1);
    }
    assert_eq!(near::invalidate(n).await.unwrap(), Invalidated::Removed);

    assert_eq!((stale(n).await, stale_sync(n)), (n, n));
    grow_old(&cache);
    assert_eq!((stale(n).await, stale_sync(n)), (n, n));

    assert_eq!((detached(n).await, detached(n).await), (n, n));
    cache.ping().await.unwrap();
    cache.blocking().ping().unwrap();
    assert_eq!(cache.get::<u64>(plain::key(n)).await.unwrap(), Some(n));
}

/// Runs in a thread of its own, and has to end.
fn soon(what: &str, work: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel::<()>();
    let running = std::thread::spawn(move || {
        let _tell = tell;
        work();
    });
    assert_ne!(
        told.recv_timeout(SOON),
        Err(mpsc::RecvTimeoutError::Timeout),
        "{what} does not end"
    );
    running.join().unwrap();
}

fn bare() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn bare_workers() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Kind = (&'static str, fn(Work));

const KINDS: [Kind; 13] = [
    ("none", |work| pollster::block_on(work)),
    ("current-thread", |work| current().block_on(work)),
    ("current-thread, a task", |work| {
        current().block_on(async { tokio::spawn(work).await.unwrap() });
    }),
    ("current-thread without drivers", |work| {
        bare().block_on(work)
    }),
    ("current-thread, local set", |work| {
        LocalSet::new().block_on(&current(), async {
            tokio::task::spawn_local(work).await.unwrap();
        });
    }),
    ("current-thread, paused", |work| {
        let paused = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        paused.unwrap().block_on(work);
    }),
    ("workers", |work| runtime().block_on(work)),
    ("workers, a task", |work| {
        runtime().block_on(async { tokio::spawn(work).await.unwrap() });
    }),
    ("workers without drivers", |work| {
        bare_workers().block_on(async { tokio::spawn(work).await.unwrap() });
    }),
    ("workers, another executor inside", |work| {
        let runtime = runtime();
        let _inside = runtime.enter();
        pollster::block_on(work);
    }),
    ("workers, block_in_place", |work| {
        let blocking = async { tokio::task::block_in_place(|| pollster::block_on(work)) };
        runtime().block_on(async { tokio::spawn(blocking).await.unwrap() });
    }),
    ("workers, spawn_blocking", |work| {
        let blocking = || pollster::block_on(work);
        runtime().block_on(async { tokio::task::spawn_blocking(blocking).await.unwrap() });
    }),
    ("one that is shut down", |work| {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _inside = handle.enter();
        pollster::block_on(work);
    }),
];

#[test]
fn every_verb_works_in_every_runtime() {
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        for (n, (kind, run)) in (1..).zip(KINDS) {
            let work = cache.clone().scope(all_verbs(cache.clone(), n));
            soon(kind, move || run(Box::pin(work)));
        }
    }
}

type Call = Pin<Box<dyn Future<Output = u64> + Send>>;

/// What a call of one runtime waits for belongs to that; it goes on in another, or in none, also once the first
/// one is gone.
#[test]
fn a_call_moves_between_runtimes() {
    const TO: [Kind; 5] = [
        ("none", |work| pollster::block_on(work)),
        ("current-thread", |work| current().block_on(work)),
        ("current-thread without drivers", |work| {
            bare().block_on(work)
        }),
        ("workers", |work| runtime().block_on(work)),
        ("workers without drivers", |work| {
            bare_workers().block_on(work)
        }),
    ];
    // Its timers are several, one after the other.
    const LIMIT: Duration = Duration::from_millis(400);
    let server = Server::start();
    for (to, run) in TO {
        for ends in [false, true] {
            let config = server.config().response_timeout(LIMIT);
            let cache = Cache::new(config).unwrap();
            let first = runtime();
            assert_eq!(first.block_on(cache.scope(plain(1))), 1);
            server.freeze();
            let mut call: Call = Box::pin(cache.scope(plain(1)));
            {
                let _inside = first.enter();
                let mut context = Context::from_waker(Waker::noop());
                assert!(call.as_mut().poll(&mut context).is_pending());
            }
            let first = (!ends).then_some(first);
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    std::thread::sleep(LIMIT * 3 / 4);
                    server.thaw();
                });
                soon(
                    &format!("from workers to {to}, which end: {ends}"),
                    move || {
                        run(Box::pin(async move { assert_eq!(call.await, 1) }));
                        drop(first);
                    },
                );
            });
        }
    }
}

/// It hangs in the background, and nobody waits for it.
#[test]
fn a_runtime_ends_while_the_refresh_of_a_sync_function_hangs() {
    static HANGS: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "hanging", key = (), ttl = "1ms", stale = "1h")]
    fn hanging() -> u64 {
        if HANGS.fetch_add(1, Relaxed) > 0 {
            std::thread::sleep(Duration::from_secs(3600));
        }
        7
    }

    let cache = Cache::in_memory();
    soon("the runtime", move || {
        let runtime = runtime();
        runtime.block_on(cache.clone().scope(async {
            assert_eq!(hanging(), 7);
            grow_old(&cache);
            assert_eq!(hanging(), 7);
        }));
        while HANGS.load(Relaxed) < 2 {
            std::thread::yield_now();
        }
        drop(runtime);
    });
}

/// Of a call that nobody polls any more.
#[test]
fn a_runtime_that_ends_takes_nobody_along() {
    let server = Server::start();
    let cache = server.patient();
    soon("a call", move || {
        let first = runtime();
        let leader = first.spawn(
            cache
                .clone()
                .scope(std::future::poll_fn(|_| Poll::<()>::Pending)),
        );
        let slow = cache.clone().scope(slow_at_first(&RUNS));
        let slow = first.spawn(slow);
        while RUNS.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        let second = runtime();
        let follower = second.spawn(cache.clone().scope(slow_at_first(&RUNS)));
        std::thread::sleep(Duration::from_millis(20));
        drop(first);
        assert_eq!(second.block_on(follower).unwrap(), 7);
        drop((leader, slow));
    });
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "slow", key = (), ttl = 60)]
    async fn slow_at_first(runs: &'static AtomicU64) -> u64 {
        if runs.fetch_add(1, Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
        7
    }
}
