//! Whatever Redis does, the caller gets what the body returns.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, Invalidated, read_through};

use crate::support::{Server, free_port, until_back};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[read_through(name = "async", ttl = 60)]
async fn doubled(n: u64) -> u64 {
    RUNS.fetch_add(1, Relaxed);
    n * 2
}

#[read_through(name = "sync", ttl = 60)]
fn doubled_sync(n: u64) -> u64 {
    n * 2
}

async fn answers(cache: &Cache) {
    for n in 0..8 {
        assert_eq!(cache.scope(doubled(n)).await, n * 2);
        let _inside = cache.enter();
        assert_eq!(doubled_sync(n), n * 2);
    }
}

fn hits(cache: &Cache, function: &str) -> u64 {
    cache.stats().function(function).map_or(0, |of| of.hits)
}

#[tokio::test]
async fn a_server_that_was_never_there_stops_neither_start_nor_calls() {
    let cache = Cache::open(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    answers(&cache).await;
    let error = cache.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let stats = cache.stats();
    assert_eq!(stats.function("async").unwrap().bypassed, 8);
    assert_eq!(stats.function("sync").unwrap().bypassed, 8);
}

#[tokio::test]
async fn a_killed_server_is_used_again_when_it_is_back() {
    let mut server = Server::start();
    let cache = server.cache();
    answers(&cache).await;
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (8, 8));
    server.kill();
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (8, 8));
    server.restart();
    until_back(&cache).await;
    answers(&cache).await;
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (16, 16));
}

#[tokio::test]
async fn a_server_that_restarted_unnoticed_costs_no_call_its_hit() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let cache = server.cache();
    cache.scope(doubled(100)).await;
    server.kill();
    server.restart();
    cache.scope(doubled(100)).await;
    assert_eq!(hits(&cache, "async"), 1);
    // Nor does it cost a value that is stored, by a load or by hand.
    for n in 101..104 {
        server.kill();
        server.restart();
        match n {
            101 => drop(cache.scope(doubled(n)).await),
            102 => cache.scope(doubled::put(n, &(n * 2))).await.unwrap(),
            _ => cache
                .set(format!("cache:async:{n}"), &(n * 2), None)
                .await
                .unwrap(),
        }
        assert_eq!(cache.scope(doubled::peek(n)).await.unwrap(), Some(n * 2));
    }
}

#[tokio::test]
async fn a_frozen_server_delays_a_call_by_the_deadline_and_no_more() {
    let server = Server::start();
    let cache = server.cache();
    answers(&cache).await;
    server.freeze();
    let start = Instant::now();
    assert_eq!(cache.scope(doubled(1)).await, 2);
    let late = start.elapsed();
    server.thaw();
    // Connecting and one answer are the configured limits; the rest is a slow machine.
    assert!(late < Duration::from_millis(350) * 3, "{late:?}");
    until_back(&cache).await;
    answers(&cache).await;
    assert!(hits(&cache, "async") >= 8);
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_a_cache_without_hits() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let cache = server.cache();
    answers(&cache).await;
    assert_eq!(cache.ping().await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(hits(&cache, "async"), 0);
}

#[tokio::test]
async fn a_server_without_memory_for_more_still_serves_what_it_has() {
    let server = Server::start();
    let cache = server.cache();
    cache.scope(doubled(1)).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(cache.scope(doubled(1)).await, 2);
    assert_eq!(cache.scope(doubled(2)).await, 4);
    let stats = cache.stats();
    let of = stats.function("async").unwrap();
    assert_eq!((of.hits, of.stored, of.bypassed), (1, 1, 1));
}

#[tokio::test]
async fn an_invalidation_during_an_outage_is_owed_and_made_up_for() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let cache = server.cache();
    cache.scope(doubled(1)).await;
    server.kill();
    let queued = cache.scope(doubled::invalidate(1)).await.unwrap();
    assert_eq!(queued, Invalidated::Queued);
    server.restart();
    until_back(&cache).await;
    // The old value is there again, and is not read: the debt comes before the first command.
    assert_eq!(cache.scope(doubled::peek(1)).await.unwrap(), None);
    RUNS.store(0, Relaxed);
    cache.scope(doubled(1)).await;
    assert_eq!(RUNS.load(Relaxed), 1);
    cache.scope(doubled(1)).await;
    assert_eq!(RUNS.load(Relaxed), 1);
}

#[tokio::test]
async fn what_is_owed_is_made_up_for_without_any_further_call() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let cache = server.cache();
    cache.scope(doubled(1)).await;
    server.kill();
    let queued = cache.scope(doubled::invalidate(1)).await.unwrap();
    assert_eq!(queued, Invalidated::Queued);
    server.restart();
    let start = Instant::now();
    while server.cli(&["EXISTS", "cache:async:1"]) != "0" {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
