//! No read waits for the answer to another in order to be sent.

use std::time::{Duration, Instant};

use cache_runtime::read_through;
use tokio::task::JoinHandle;

use crate::proxy::Proxy;
use crate::support::{Server, patient};

#[read_through(name = "turns", ttl = 600)]
async fn value(id: u64) -> u64 {
    id
}

/// Keys that the server has looked up, and found.
pub fn keys_found(server: &Server) -> u64 {
    let stats = server.cli(&["INFO", "stats"]);
    let found = stats
        .lines()
        .find_map(|line| line.strip_prefix("keyspace_hits:"));
    found.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_sent_before_any_answer() {
    const READS: u64 = 40;
    const ANSWERS_AFTER: Duration = Duration::from_secs(4);
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let cache = patient(&proxy.url());
    // Their size is known then, and the connection made.
    for _ in 0..2 {
        for id in 0..READS {
            tokio::spawn(cache.scope(value(id))).await.unwrap();
        }
    }
    let before = keys_found(&server);
    proxy.delay(ANSWERS_AFTER);
    let start = Instant::now();
    let mut calls = Vec::new();
    for id in 0..READS {
        calls.push(tokio::spawn(cache.scope(value(id))));
        // Each in a turn of its own.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while keys_found(&server) - before < READS {
        let waited = start.elapsed();
        assert!(
            waited < ANSWERS_AFTER / 2,
            "{} are sent",
            keys_found(&server) - before
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(calls.iter().all(|call| !call.is_finished()));
    proxy.delay(Duration::ZERO);
    for (id, call) in (0..READS).zip(calls) {
        assert_eq!(call.await.unwrap(), id);
    }
}

/// Callers block their workers just after they read or wrote; the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blocked_worker_holds_no_other_call() {
    const CALLS: u64 = 200;
    const BLOCKED: Duration = Duration::from_secs(4);
    let server = Server::start();
    let cache = patient(&server.url());
    let call = |id| tokio::spawn(cache.scope(value(id)));
    for id in (0..CALLS).chain(0..CALLS) {
        call(id).await.unwrap();
    }
    let others = [(); 8].map(|()| {
        let scope = cache.scope(async {
            let start = Instant::now();
            let mut longest = Duration::ZERO;
            // Hits and misses.
            for id in (0..CALLS + 20).cycle() {
                if start.elapsed() > BLOCKED / 2 {
                    break;
                }
                let start = Instant::now();
                assert_eq!(value(id).await, id);
                value::invalidate(CALLS + id % 20).await.unwrap();
                longest = longest.max(start.elapsed());
            }
            longest
        });
        tokio::spawn(scope)
    });
    let block = || async { std::thread::sleep(BLOCKED) };
    let blocked = [
        tokio::spawn(cache.scope(async move { tokio::join!(value(CALLS + 31), block()).1 })),
        tokio::spawn(cache.scope(async move { tokio::join!(value(CALLS + 30), block()).1 })),
        tokio::spawn(cache.scope(async move {
            let (invalidated, ()) = tokio::join!(value::invalidate(CALLS + 30), block());
            invalidated.unwrap();
        })),
    ];
    for other in others {
        let longest = other.await.unwrap();
        assert!(longest < BLOCKED / 4, "{longest:?}");
    }
    let is_blocked = |task: &JoinHandle<()>| !task.is_finished();
    assert!(blocked.iter().all(is_blocked), "nothing was blocked");
    for blocked in blocked {
        blocked.await.unwrap();
    }
}

/// A worker drives the I/O of its runtime, and its next task blocks it. The other worker is idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_worker_holds_no_answer() {
    const BLOCKED: Duration = Duration::from_secs(4);
    let server = Server::start();
    let [soon, later] = [100, 300].map(|millis| (millis, Proxy::before(server.port())));
    let caches = [&soon, &later].map(|(_, proxy)| patient(&proxy.url()));
    for cache in caches.iter().cycle().take(4) {
        tokio::spawn(cache.scope(value(1))).await.unwrap();
    }
    for (millis, proxy) in [&soon, &later] {
        proxy.delay(Duration::from_millis(*millis));
    }
    let blocked = tokio::spawn(caches[0].scope(async {
        value(1).await;
        std::thread::sleep(BLOCKED);
    }));
    let start = Instant::now();
    tokio::spawn(caches[1].scope(value(1))).await.unwrap();
    assert!(start.elapsed() < BLOCKED / 2, "{:?}", start.elapsed());
    assert!(!blocked.is_finished(), "nothing was blocked");
    blocked.await.unwrap();
}
