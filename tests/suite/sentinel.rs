//! A master that moves: nobody who calls learns of it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, Invalidated, Seen, observe, read_through};

use crate::near::{soon, warm};
use crate::support::{Callers, Sentinel};

const KEYS: u64 = 64;

#[read_through(name = "square", ttl = 60)]
async fn square(n: u64) -> u64 {
    n * n
}

#[read_through(name = "copied", ttl = 60, near)]
async fn copied(n: u64) -> u64 {
    n * n
}

/// A sentinel that accepts connections and never says a word.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn the_master_is_found_past_sentinels_that_refuse_or_are_silent() {
    let sentinel = Sentinel::start();
    let (_silent, port) = silent();
    let cache = Cache::open(&sentinel.url_behind(port)).unwrap();
    let began = Instant::now();
    cache.ping().await.unwrap();
    assert!(
        began.elapsed() < Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(cache.scope(square(7)).await, 49);
    assert_eq!(sentinel.master.cli(&["GET", "cache:square:7"]), "49");
    assert!(cache.pool().is_none());
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_told_and_calls_go_on() {
    let sentinel = Sentinel::start();
    let url = format!("redis+sentinel://127.0.0.1:{}/other", sentinel.port());
    let cache = Cache::open(&url).unwrap();
    let error = cache.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error.to_string().contains("no master of the name"),
        "{error}"
    );
    assert_eq!(cache.scope(square(7)).await, 49);
}

#[tokio::test]
async fn the_database_and_the_logins_of_the_url_are_used() {
    let user = ["--user", "app", "on", ">of-redis", "~*", "+@all"];
    let sentinel = Sentinel::start_with(&user, "");
    let port = sentinel.port();
    let mut url = format!("redis+sentinel://app:of-redis@127.0.0.1:{port}/main/3");
    // Sentinels have users since Redis 6.2.
    if sentinel.master.version() >= (6, 2) {
        sentinel.cli(&["ACL", "SETUSER", "default", "resetpass", ">of-sentinel"]);
        url.push_str("?sentinel_password=of-sentinel");
    }
    let cache = Cache::open(&url).unwrap();
    assert_eq!(cache.scope(square(7)).await, 49);
    let get = ["-n", "3", "GET", "cache:square:7"];
    assert_eq!(sentinel.master.cli(&get), "49");
    let clients = sentinel.master.cli(&["CLIENT", "LIST"]);
    assert!(clients.contains("user=app"), "{clients}");
    for wrong in ["of-sentinel", "of-redis"]
        .into_iter()
        .filter(|of| url.contains(of))
    {
        let url = url.replace(wrong, "wrong");
        let error = Cache::open(&url).unwrap().ping().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
}

#[test]
fn a_killed_master_costs_nobody_an_error() {
    let mut sentinel = Sentinel::start();
    let (_silent, port) = silent();
    let cache = Cache::open(&sentinel.url_behind(port)).unwrap();
    let callers = Callers::start(&cache, KEYS);
    sentinel.master.kill();
    sentinel.wait_for_promotion();
    let report = callers.end_once_all_keys_hit(Instant::now(), Duration::from_secs(10));
    report.keeps_promises("sentinel, killed master");
}

#[test]
fn a_frozen_master_costs_nobody_an_error() {
    let sentinel = Sentinel::start();
    let (_silent, port) = silent();
    let cache = Cache::open(&sentinel.url_behind(port)).unwrap();
    let callers = Callers::start(&cache, KEYS);
    sentinel.master.freeze();
    sentinel.wait_for_promotion();
    let report = callers.end_once_all_keys_hit(Instant::now(), Duration::from_secs(10));
    report.keeps_promises("sentinel, frozen master");
}

#[tokio::test]
async fn a_master_that_was_demoted_is_left_at_its_first_refusal() {
    let sentinel = Sentinel::start();
    let cache = Cache::open(&sentinel.url_behind(1)).unwrap();
    cache.scope(square(1)).await;
    sentinel.change_places();
    // It finds out, runs its body, and tries again behind its callers.
    let began = Instant::now();
    while sentinel.replica.cli(&["GET", "cache:square:3"]) != "9" {
        assert_eq!(cache.scope(square(2)).await, 4);
        assert_eq!(cache.scope(square(3)).await, 9);
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_with_a_killed_master_and_the_next_one_tells_of_changes() {
    let mut sentinel = Sentinel::start();
    let cache = Cache::open(&sentinel.url()).unwrap();
    let seen = || async { cache.scope(observe(copied(7))).await.1 };
    cache.scope(warm(|| copied(7))).await;
    sentinel.master.cli(&["SET", &copied::key(7), "50"]);
    soon(|| cache.scope(copied(7)), 50).await;
    cache.scope(warm(|| copied(7))).await;
    sentinel.master.kill();
    soon(seen, Seen::Bypassed).await;
    sentinel.wait_for_promotion();
    cache.scope(warm(|| copied(7))).await;
    sentinel.replica.cli(&["SET", &copied::key(7), "51"]);
    soon(|| cache.scope(copied(7)), 51).await;
}

/// The old one lives on, and with it the connection that it would push on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_a_master_that_was_demoted_are_gone_once_that_is_known() {
    let sentinel = Sentinel::start();
    let cache = Cache::open(&sentinel.url()).unwrap();
    cache.scope(warm(|| copied(7))).await;
    sentinel.change_places();
    // It hears of no change any more.
    sentinel.master.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    sentinel.replica.cli(&["SET", &copied::key(7), "50"]);
    let invalidated = cache.scope(copied::invalidate(8)).await.unwrap();
    assert_eq!(invalidated, Invalidated::Queued);
    soon(|| cache.scope(copied(7)), 50).await;
    cache.scope(warm(|| copied(7))).await;
    sentinel.replica.cli(&["SET", &copied::key(7), "51"]);
    soon(|| cache.scope(copied(7)), 51).await;
}
