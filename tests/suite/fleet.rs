//! No number of processes makes the body run twice for one key at one time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, read_through};

use crate::scenarios::Kind::{self, Async, Sync};
use crate::scenarios::{KINDS, fleet, leaders};
use crate::support::{Server, is_own_process};

const ASYNC: &str = "fleet::four_processes_of_async_callers_load_each_key_once";
const SYNC: &str = "fleet::four_processes_of_sync_callers_load_each_key_once";
const MIXED: &str = "fleet::four_processes_of_both_kinds_of_callers_load_each_key_once";

/// 125 callers for each key.
fn worker(kinds: &[Kind]) {
    // Five thousand threads on a small machine starve whoever drives the connection; what is shown
    // here is not how long a server may take.
    const PATIENT: Duration = Duration::from_secs(20);
    let config = Config::new(std::env::var("URL").unwrap())
        .response_timeout(PATIENT)
        .connect_timeout(PATIENT);
    let cache = Cache::new(config).unwrap();
    fleet::work(&cache, kinds, 125 * fleet::KEYS / kinds.len() as u64);
}

fn four_processes(test: &str, kinds: &[Kind]) {
    if is_own_process(test) {
        return worker(kinds);
    }
    let server = Server::start();
    let found = fleet::run(test, &server);
    assert_eq!((found.bodies, found.answers.errors), (10, 0), "{found:?}");
    assert_eq!(server.keys().len(), 10);
}

#[test]
fn four_processes_of_async_callers_load_each_key_once() {
    four_processes(ASYNC, &[Async]);
}

#[test]
fn four_processes_of_sync_callers_load_each_key_once() {
    four_processes(SYNC, &[Sync]);
}

#[test]
fn four_processes_of_both_kinds_of_callers_load_each_key_once() {
    four_processes(MIXED, &[Async, Sync]);
}

const JUNK: &str = "fleet::junk_under_a_hot_key_is_loaded_over_once_by_the_whole_fleet";

#[test]
fn junk_under_a_hot_key_is_loaded_over_once_by_the_whole_fleet() {
    if is_own_process(JUNK) {
        return worker(&[Async]);
    }
    for junk in ["junk", r#"{"an":"older type"}"#] {
        let server = Server::start();
        for key in 0..fleet::KEYS {
            server.cli(&["SET", &fleet::stored_under(key), junk]);
        }
        let found = fleet::run(JUNK, &server);
        assert_eq!(
            (found.bodies, found.answers.errors),
            (10, 0),
            "{junk}: {found:?}"
        );
    }
}

const KILLED: &str = "fleet::a_killed_leader_costs_the_others_one_lease";

#[test]
fn a_killed_leader_costs_the_others_one_lease() {
    if is_own_process(KILLED) {
        return leaders::work(Async);
    }
    let found = leaders::dead(KILLED);
    assert_eq!(
        (found.bodies, found.stored, found.answers.errors),
        (1, 1, 0),
        "{found:?}"
    );
    // Polling finds the end of the lease and of the load within 50 ms each.
    let late = found.answers.worst();
    assert!(
        late < leaders::LEASE + leaders::LOAD + Duration::from_millis(300),
        "{late:?}"
    );
}

#[test]
fn a_body_three_times_as_long_as_the_lease_is_one_load_and_stored() {
    for kind in KINDS {
        let found = leaders::slow(kind);
        assert_eq!(
            (found.bodies, found.stored, found.answers.errors),
            (1, 1, 0),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_hangs_keeps_the_fleet_waiting_no_longer_than_follow() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60, lease = "150ms", follow = "500ms")]
    async fn load() -> u64 {
        if BODIES.fetch_add(1, Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
        7
    }

    let server = Server::start();
    let (hanging, other) = (server.cache(), server.cache());
    let leader = tokio::spawn(hanging.scope(load()));
    while BODIES.load(Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    assert_eq!(other.scope(load()).await, 7);
    let waited = start.elapsed();
    assert!(waited < Duration::from_millis(900), "{waited:?}");
    // The lease is not extended for ever: when it is over, somebody else's value is stored.
    while other.stats().functions()[0].stored == 0 {
        assert!(start.elapsed() < Duration::from_secs(5));
        other.scope(load()).await;
    }
    leader.abort();
}
