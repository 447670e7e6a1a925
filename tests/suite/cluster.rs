//! A cluster that changes: nobody who calls learns of it.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Invalidated, Key, read_through};
use futures_util::future::join_all;

use crate::proxy::Proxy;
use crate::support::{Callers, Cluster, Server, patient};
use crate::turns::keys_found;

const KEYS: u64 = 64;

#[read_through(name = "square", ttl = 60, stale = "60s")]
async fn square(n: u64) -> u64 {
    n * n
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_together_find_the_values_of_all_nodes() {
    let cluster = Cluster::start();
    let cache = patient(&cluster.url());
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

/// A key on both would end the moving of its slot with an error.
#[tokio::test]
async fn a_key_whose_slot_moves_is_on_one_node() {
    let cluster = Cluster::start();
    let cache = Cache::open(&cluster.url()).unwrap();
    let moving = async {
        let key = square::key(7);
        // What is there stays where it is, and what comes goes where the slot goes.
        for is_there in [true, false] {
            if is_there {
                square(7).await;
            }
            let (from, to) = cluster.begin_to_move(&key);
            let (has, has_not) = if is_there { (from, to) } else { (to, from) };
            for _ in 0..2 {
                assert_eq!(square(7).await, 49);
                square::put(7, &49).await.unwrap();
                assert_eq!(square::peek(7).await.unwrap(), Some(49));
                assert_eq!(has.keys(), [key.as_str()]);
                assert_eq!(has_not.keys(), [""; 0]);
            }
            let removed = square::invalidate(7).await.unwrap();
            assert_eq!(removed, Invalidated::Removed);
            let slot = from.cli(&["CLUSTER", "KEYSLOT", &key]);
            for node in [from, to] {
                node.cli(&["CLUSTER", "SETSLOT", &slot, "STABLE"]);
            }
        }
    };
    cache.scope(moving).await;
    assert_eq!(cache.stats().function("square").unwrap().bypassed, 0);
}

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

/// A node asked as if it were alone refuses the keys of the other nodes, each for ever.
#[tokio::test]
async fn a_refused_pending_invalidation_holds_up_no_other() {
    let cluster = Cluster::start();
    let node = &cluster.nodes[0];
    let cache = node.cache();
    let keys: Vec<_> = (0..30).map(|n| Key::new("owed").part(&n)).collect();
    let mut foreign = 0;
    for key in &keys {
        let invalidated = cache.invalidate(key.clone()).await;
        foreign += usize::from(invalidated.is_err());
    }
    assert!(foreign > 0 && foreign < keys.len());
    node.freeze();
    for key in &keys {
        let queued = cache.invalidate(key.clone()).await.unwrap();
        assert_eq!(queued, Invalidated::Queued);
    }
    node.thaw();
    let start = Instant::now();
    while cache.stats().server().owed > foreign {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{}",
            cache.stats()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cache.stats().server().owed, foreign);
}

/// The nodes announce proxies in their place.
fn proxies_of(cluster: &Cluster) -> Vec<Proxy> {
    let announce = |node: &Server| {
        let proxy = Proxy::before(node.port());
        let port = proxy.port().to_string();
        node.cli(&["CONFIG", "SET", "cluster-announce-port", &port]);
        proxy
    };
    let proxies: Vec<_> = cluster.nodes.iter().map(announce).collect();
    cluster.wait_until("all know the ports", |node| {
        let slots = node.cli(&["CLUSTER", "SLOTS"]);
        let is_known = |proxy: &Proxy| slots.contains(&proxy.port().to_string());
        proxies.iter().all(is_known)
    });
    proxies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_are_asked_at_once() {
    const ANSWERS_AFTER: Duration = Duration::from_secs(4);
    let cluster = Cluster::start();
    let proxies = proxies_of(&cluster);
    let cache = patient(&cluster.url());
    for id in 0..KEYS {
        cache.scope(square(id)).await;
    }
    let expected: Vec<_> = (0..KEYS).map(|n| Some(n * n)).collect();
    let peek = || tokio::spawn(cache.scope(square::peek_many(0..KEYS)));
    assert_eq!(peek().await.unwrap().unwrap(), expected);
    let found = || cluster.nodes.iter().map(keys_found).sum::<u64>();
    let before = found();
    proxies.iter().for_each(|proxy| proxy.delay(ANSWERS_AFTER));
    let start = Instant::now();
    let peeking = peek();
    while found() - before < KEYS {
        let asked = found() - before;
        assert!(start.elapsed() < ANSWERS_AFTER / 2, "{asked} are asked for");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!peeking.is_finished());
    proxies.iter().for_each(|proxy| proxy.delay(Duration::ZERO));
    assert_eq!(peeking.await.unwrap().unwrap(), expected);
}
