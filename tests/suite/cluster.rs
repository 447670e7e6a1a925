//! A cluster that changes: nobody who calls learns of it.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use futures_util::future::join_all;

use crate::support::{Callers, Cluster};

const KEYS: u64 = 64;

#[read_through(name = "square", ttl = 60, stale = "60s")]
async fn square(n: u64) -> u64 {
    n * n
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_together_find_the_values_of_all_nodes() {
    let cluster = Cluster::start();
    let cache = Cache::open(&cluster.url()).unwrap();
    for _ in 0..2 {
        let calls = (0..100).map(|n| cache.scope(square(n)));
        let squares: Vec<_> = (0..100).map(|n| n * n).collect();
        assert_eq!(join_all(calls).await, squares);
    }
    let stats = cache.stats();
    let of = stats.function("square").unwrap();
    assert_eq!((of.stored, of.hits, of.bypassed), (100, 100, 0));
    assert!(cache.pool().is_none());
}

#[test]
fn a_killed_master_costs_nobody_an_error() {
    let mut cluster = Cluster::start_with(1, &["--cluster-node-timeout", "2000"]);
    let cache = Cache::open(&cluster.url()).unwrap();
    let callers = Callers::start(&cache, KEYS);
    let (master, replica) = cluster.master_and_replica();
    cluster.nodes[master].kill();
    cluster.wait_for_promotion(replica);
    let report = callers.end_once_all_keys_hit(Instant::now(), Duration::from_secs(10));
    report.keeps_promises("cluster, killed master");
}

#[test]
fn a_frozen_master_costs_nobody_an_error() {
    let cluster = Cluster::start_with(1, &["--cluster-node-timeout", "2000"]);
    let cache = Cache::open(&cluster.url()).unwrap();
    let callers = Callers::start(&cache, KEYS);
    let (master, replica) = cluster.master_and_replica();
    cluster.nodes[master].freeze();
    cluster.wait_for_promotion(replica);
    let report = callers.end_once_all_keys_hit(Instant::now(), Duration::from_secs(10));
    report.keeps_promises("cluster, frozen master");
}

/// Values and leases move with their slots, and none is on two nodes: that would end the moving.
#[test]
fn slots_that_move_under_load_cost_nobody_an_error() {
    let cluster = Cluster::start();
    let cache = Cache::open(&cluster.url()).unwrap();
    let callers = Callers::start(&cache, 4 * KEYS);
    // There and back, so that what is stored moves twice.
    cluster.reshard(400, 0, 1);
    cluster.reshard(400, 1, 0);
    let report = callers.end_once_all_keys_hit(Instant::now(), Duration::from_secs(10));
    report.keeps_promises("cluster, 400 slots there and back");
}
