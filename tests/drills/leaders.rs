//! The one who loads dies, dawdles, panics or leaves.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::callers::runtime;
use crate::report::{Report, millis};
use crate::support::{Server, Worker, say};

/// How the process that dies while it loads is called.
pub const DYING: &str = "dying";
const LEASE: Duration = Duration::from_secs(1);
const LOAD: Duration = Duration::from_millis(100);

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(key = "n", ttl = 60, lease = "1s", name = "led")]
async fn led(n: u64, takes: Duration) -> u64 {
    BODIES.fetch_add(1, SeqCst);
    tokio::time::sleep(takes).await;
    n
}

/// Loads until it is killed.
pub fn die() {
    let cache = Cache::open(&std::env::var("URL").unwrap()).unwrap();
    runtime().block_on(cache.scope(async {
        let loading = led(7, Duration::from_secs(60));
        let mut loading = std::pin::pin!(loading);
        let began = tokio::time::timeout(Duration::from_millis(300), loading.as_mut());
        assert!(began.await.is_err());
        say("loading");
        loading.await;
    }));
}

pub fn dead_leader(report: &mut Report) {
    let server = Server::start();
    let mut leader = Worker::start(DYING, &[("URL", &server.url())]);
    leader.hears("loading");
    BODIES.store(0, SeqCst);
    // Two caches of one process know as little of each other as two processes.
    let (one, other) = (server.cache(), server.cache());
    let started = Instant::now();
    leader.kill();
    runtime().block_on(async {
        let of_each = [&one, &other].map(|cache| {
            let calls = (0..50).map(|_| cache.scope(led(7, LOAD)));
            join_all(calls)
        });
        join_all(of_each).await;
    });
    let (took, bodies) = (started.elapsed(), BODIES.load(SeqCst));
    report.row(
        "15 dead-leader",
        "waiters served within lease + body, 1 reload",
        &format!(
            "100 waiters of 2 caches after {}, {bodies} bodies",
            millis(took)
        ),
        // The end of the lease and of the load are each found within 50 ms.
        bodies == 1 && took < LEASE + LOAD + Duration::from_millis(200),
    );
}

pub fn slow_leader(report: &mut Report) {
    let server = Server::start();
    let (one, other) = (server.cache(), server.cache());
    BODIES.store(0, SeqCst);
    runtime().block_on(async {
        let takes = 3 * LEASE;
        let of_each = [&one, &other].map(|cache| {
            let calls = (0..50).map(|_| cache.scope(led(7, takes)));
            join_all(calls)
        });
        join_all(of_each).await;
    });
    let bodies = BODIES.load(SeqCst);
    let of = |cache: &Cache| cache.stats().function("led").map_or(0, |of| of.stored);
    let stored = of(&one) + of(&other);
    report.row(
        "16 slow-leader",
        "a body of 3 leases: 1 load, stored once",
        &format!("{bodies} bodies, stored {stored} times"),
        (bodies, stored) == (1, 1),
    );
}

/// How a load ends that nobody finishes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Panics,
    IsDropped,
}

#[read_through(key = "n", ttl = 60, name = "ended")]
async fn ended(n: u64, end: Option<End>) -> u64 {
    match end {
        Some(End::Panics) => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            panic!("the body of a drill panics");
        }
        Some(End::IsDropped) => std::future::pending().await,
        None => n,
    }
}

/// How long after the end of the leader another cache's call was answered.
async fn hand_over(leads: &Cache, waits: &Cache, n: u64, end: End) -> (Duration, bool) {
    let leader = tokio::spawn(AssertUnwindSafe(leads.scope(ended(n, Some(end)))).catch_unwind());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let waiter = tokio::spawn(waits.scope(ended(n, None)));
    tokio::time::sleep(Duration::from_millis(5)).await;
    if end == End::IsDropped {
        leader.abort();
    }
    let _ = leader.await;
    let over = Instant::now();
    let right = waiter.await.is_ok_and(|found| found == n);
    (over.elapsed(), right)
}

pub fn broken_leader(report: &mut Report) {
    const ROUNDS: u64 = 20;
    std::panic::set_hook(Box::new(|_| {}));
    for (name, end) in [("panics", End::Panics), ("is dropped", End::IsDropped)] {
        for of in ["same cache", "another cache"] {
            let server = Server::start();
            let leads = server.cache();
            let waits = match of {
                "same cache" => leads.clone(),
                _ => server.cache(),
            };
            let mut late = Vec::new();
            let mut right = true;
            runtime().block_on(async {
                for n in 0..ROUNDS {
                    let (took, was_right) = hand_over(&leads, &waits, n, end).await;
                    late.push(took);
                    right &= was_right;
                }
            });
            late.sort();
            let median = late[late.len() / 2];
            report.row(
                &format!("17 body {name}, {of}"),
                "the next leads < 10 ms (polls: 50 ms), followers served",
                &format!(
                    "after {} in the middle, {} at worst",
                    millis(median),
                    millis(late[late.len() - 1])
                ),
                right && median < Duration::from_millis(if of == "same cache" { 10 } else { 50 }),
            );
        }
    }
    let _ = std::panic::take_hook();
}
