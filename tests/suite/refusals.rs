//! A server that is there and refuses: everything, or only to be written to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, Invalidated};

use crate::outage::{answers, doubled, hits};
use crate::proxy::refusing;
use crate::support::{BUSY_SOON, Server, until_back};

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
async fn a_server_that_takes_no_writes_is_read_from_and_not_asked_to_write() {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    fn counts(words: &[String]) -> bool {
        let writes = ["SET", "EVALSHA", "EVAL", "MULTI"];
        if writes.iter().any(|of| words[2] == *of) {
            WRITES.fetch_add(1, Relaxed);
        }
        false
    }

    let server = Server::start();
    let cache = Cache::open(&through(&server, refusing(server.port(), counts))).unwrap();
    cache.scope(doubled(1)).await;
    let may = |set, psetex| ["ACL", "SETUSER", server.user(), set, psetex];
    for (refuse, allow) in [
        (
            &["CONFIG", "SET", "maxmemory", "1"][..],
            &["CONFIG", "SET", "maxmemory", "0"][..],
        ),
        (&may("-set", "-psetex"), &may("+set", "+psetex")),
    ] {
        server.cli(refuse);
        WRITES.store(0, Relaxed);
        let hits_before = hits(&cache, "async");
        for n in 1000..1050 {
            assert_eq!(cache.scope(doubled(n)).await, n * 2);
            assert_eq!(cache.scope(doubled(1)).await, 2);
        }
        assert_eq!(hits(&cache, "async") - hits_before, 50);
        assert!(!cache.stats().server().takes_writes);
        assert_eq!(WRITES.load(Relaxed), 1, "asked once in a second");
        server.cli(allow);
        until_written_to(&cache).await;
    }
}

/// Loads until the server takes what is loaded.
async fn until_written_to(cache: &Cache) {
    let start = Instant::now();
    while !cache.stats().server().takes_writes {
        cache.scope(doubled(fastrand::u64(2000..1 << 40))).await;
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "writes stay suspended"
        );
    }
}

#[tokio::test]
async fn what_a_server_without_its_replicas_does_not_remove_is_owed_until_it_does() {
    let server = Server::start();
    let cache = server.cache();
    for refreshes in [false, true] {
        cache.scope(doubled(1)).await;
        without_replicas(&server, "1");
        if refreshes {
            assert_eq!(cache.scope(doubled::refresh(1)).await, 2);
        } else {
            let invalidated = cache.scope(doubled::invalidate(1)).await.unwrap();
            assert_eq!(invalidated, Invalidated::Queued);
        }
        assert_eq!(cache.stats().server().owed, 1);
        is_not_read(&cache).await;
        without_replicas(&server, "0");
        is_made_up_for(&server, &cache).await;
    }
}

#[tokio::test]
async fn what_is_owed_outlives_a_restart_after_which_the_server_takes_no_writes() {
    static REMOVALS: AtomicU64 = AtomicU64::new(0);
    fn counts(words: &[String]) -> bool {
        if words[2] == "UNLINK" {
            REMOVALS.fetch_add(1, Relaxed);
        }
        false
    }

    let mut server = Server::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--min-replicas-to-write",
        "1",
    ]);
    without_replicas(&server, "0");
    let port = refusing(server.port(), counts);
    let cache = Cache::open(&through(&server, port)).unwrap();
    cache.scope(doubled(1)).await;
    server.kill();
    let invalidated = cache.scope(doubled::invalidate(1)).await.unwrap();
    assert_eq!(invalidated, Invalidated::Queued);
    server.restart();
    until_back(&cache).await;
    let (start, before) = (Instant::now(), REMOVALS.load(Relaxed));
    // Of the refresh and of the value, and then of both once more.
    while REMOVALS.load(Relaxed) < before + 3 {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.cli(&["EXISTS", "cache:async:1"]), "1");
    is_not_read(&cache).await;
    without_replicas(&server, "0");
    is_made_up_for(&server, &cache).await;
}

/// The URL of the server, as it is reached by another port.
fn through(server: &Server, port: u16) -> String {
    let url = server.url();
    let (before, _) = url.rsplit_once(':').unwrap();
    format!("{before}:{port}")
}

fn without_replicas(server: &Server, least: &str) {
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", least]);
}

async fn is_not_read(cache: &Cache) {
    // Of this cache, since others call the same function meanwhile.
    let bodies = || {
        let stats = cache.stats();
        let of = stats.function("async").unwrap();
        of.loads + of.bypassed
    };
    let before = bodies();
    for _ in 0..3 {
        assert_eq!(cache.scope(doubled(1)).await, 2);
    }
    assert_eq!(bodies() - before, 3);
    assert_eq!(cache.scope(doubled::peek(1)).await.unwrap(), None);
}

/// Without any further call.
async fn is_made_up_for(server: &Server, cache: &Cache) {
    let start = Instant::now();
    while cache.stats().server().owed > 0 {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.cli(&["EXISTS", "cache:async:1"]), "0");
}

#[tokio::test]
async fn a_demoted_master_is_left_at_once_and_written_to_when_it_is_one_again() {
    let server = Server::start();
    let cache = server.cache();
    cache.scope(doubled(1)).await;
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let connections = || {
        let info = server.cli(&["INFO", "stats"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = connections();
    assert_eq!(cache.scope(doubled(2)).await, 4);
    assert_eq!(cache.scope(doubled(2)).await, 4);
    assert!(!cache.stats().server().takes_writes);
    // Both connections lead to the wrong server; one of those counted is our own question.
    assert!(connections() >= before + 3);
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    until_written_to(&cache).await;
}

#[tokio::test]
async fn a_server_that_is_busy_or_cut_off_is_away_until_it_is_not() {
    let server = Server::start_with(BUSY_SOON);
    let cache = server.cache();
    answers(&cache).await;
    server.cli(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    answers(&cache).await;
    assert!(cache.stats().server().away, "MASTERDOWN");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    until_back(&cache).await;

    let script = server.begin_script();
    let start = Instant::now();
    while !cache.stats().server().away {
        answers(&cache).await;
        assert!(start.elapsed() < Duration::from_secs(5), "BUSY");
    }
    server.end_script(script);
    until_back(&cache).await;
    answers(&cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_the_server_does_not_have_is_told() {
    let server = Server::start();
    let cache = Cache::open(&format!("{}/99", server.url_of_default())).unwrap();
    for _ in 0..5 {
        let error = cache.ping().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("database"), "{error}");
    }
}
