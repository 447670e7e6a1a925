//! One node of a cluster does not do its part: those who want keys of the others learn nothing of it.

use std::ops::Range;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Invalidated, Seen, observe, read_through};

use crate::support::{BUSY_SOON, Cluster, Server, runtime};

const KEYS: Range<u64> = 0..24;

#[read_through(name = "double", ttl = 60, key = "n")]
async fn double(n: u64) -> u64 {
    n * 2
}

/// The others go on without one that is away.
fn cluster() -> Cluster {
    let goes_on = ["--cluster-require-full-coverage", "no"];
    let notices_late = ["--cluster-node-timeout", "60000"];
    Cluster::start_with(0, &[&goes_on, &notices_late, BUSY_SOON].concat())
}

fn has(node: &Server, n: u64) -> bool {
    node.try_cli(&["GET", &double::key(n)])
        .is_some_and(|answer| !answer.starts_with("MOVED"))
}

/// Those of KEYS that one node has, and those that others have.
fn keys_of(node: &Server) -> (Vec<u64>, Vec<u64>) {
    let (its, of_others): (Vec<_>, Vec<_>) = KEYS.partition(|n| has(node, *n));
    assert!(its.len() > 2 && of_others.len() > 2);
    (its, of_others)
}

async fn call(n: u64) -> Seen {
    let (doubled, seen) = observe(double(n)).await;
    assert_eq!(doubled, 2 * n);
    seen
}

async fn until_all_are_hits(keys: &[u64]) {
    for n in keys {
        until(|| call(*n), |seen| *seen == Seen::Stored).await;
    }
}

async fn until<T: std::fmt::Debug, F: Future<Output = T>>(
    asked: impl Fn() -> F,
    is_so: impl Fn(&T) -> bool,
) {
    let began = Instant::now();
    loop {
        let answer = asked().await;
        if is_so(&answer) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn what_is_owed_to_a_node_that_is_away_keeps_no_runtime_from_the_others() {
    let mut cluster = cluster();
    let cache = Cache::open(&cluster.url()).unwrap();
    let (its, of_others) = keys_of(&cluster.nodes[2]);
    runtime().block_on(cache.scope(async {
        until_all_are_hits(&of_others).await;
        cluster.nodes[2].kill();
        let owed = double::invalidate(its[0]).await.unwrap();
        assert_eq!(owed, Invalidated::Queued);
    }));
    // The first one ended: this one has no connection yet.
    runtime().block_on(cache.scope(until_all_are_hits(&of_others)));
    assert_eq!(cache.stats().server().owed, 1);
    cluster.nodes[2].restart();
    let owed = async || cache.stats().server().owed;
    runtime().block_on(until(owed, |owed| *owed == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_to_a_node_does_not_wait_for_another() {
    let cluster = cluster();
    let cache = Cache::open(&cluster.url()).unwrap();
    let inside = async {
        let sick = [0, 1].map(|node| keys_of(&cluster.nodes[node]).0);
        until_all_are_hits(&sick.concat()).await;
        let [first, second] = [0, 1].map(|node| cluster.nodes[node].begin_script());
        for n in sick.concat() {
            let owed = double::invalidate(n).await.unwrap();
            assert_eq!(owed, Invalidated::Queued);
        }
        let owed = async || cache.stats().server().owed;
        cluster.nodes[1].end_script(second);
        until(owed, |owed| *owed == sick[0].len()).await;
        until_all_are_hits(&sick[1]).await;
        for n in &sick[0] {
            assert_eq!(call(*n).await, Seen::Bypassed, "it is owed yet");
        }
        cluster.nodes[0].end_script(first);
        until(owed, |owed| *owed == 0).await;
    };
    cache.scope(inside).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_busy_takes_the_cache_from_its_own_keys_alone() {
    let cluster = cluster();
    let cache = Cache::open(&cluster.url()).unwrap();
    let (its, of_others) = keys_of(&cluster.nodes[2]);
    let inside = async {
        until_all_are_hits(&of_others).await;
        until_all_are_hits(&its).await;
        let script = cluster.nodes[2].begin_script();
        for _ in 0..20 {
            for (n, m) in its.iter().zip(&of_others) {
                assert_eq!(call(*n).await, Seen::Bypassed);
                assert_eq!(call(*m).await, Seen::Stored);
            }
        }
        let owed = double::invalidate(its[0]).await.unwrap();
        assert_eq!(owed, Invalidated::Queued);
        let removed = double::invalidate(of_others[0]).await.unwrap();
        assert_eq!(removed, Invalidated::Removed);
        // It finds its connections in spite of the node, too.
        let other = Cache::open(&cluster.url()).unwrap();
        other.scope(until_all_are_hits(&of_others)).await;
        other.ping().await.unwrap();
        assert_eq!(cache.stats().server().outages, 0);
        assert_eq!(other.stats().server().outages, 0);
        cluster.nodes[2].end_script(script);
        until_all_are_hits(&its).await;
    };
    cache.scope(inside).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_full_keeps_no_other_from_taking_what_is_loaded() {
    let cluster = cluster();
    let cache = Cache::open(&cluster.url()).unwrap();
    let (its, of_others) = keys_of(&cluster.nodes[2]);
    cluster.nodes[2].cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let inside = async {
        for (n, m) in its.iter().zip(&of_others) {
            call(*n).await;
            assert_eq!(call(*m).await, Seen::Loaded);
            assert_eq!(call(*m).await, Seen::Stored, "after one that was refused");
        }
        assert!(cache.stats().server().takes_writes);
        cluster.nodes[2].cli(&["CONFIG", "SET", "maxmemory", "0"]);
        until_all_are_hits(&its).await;
    };
    cache.scope(inside).await;
}

#[test]
fn a_node_that_is_silent_takes_the_cache_from_its_own_keys_alone() {
    const CALLERS: usize = 8;
    const FROZEN: Duration = Duration::from_secs(2);
    let cluster = cluster();
    let cache = Cache::open(&cluster.url()).unwrap();
    let (its, of_others) = keys_of(&cluster.nodes[2]);
    let runtime = runtime();
    runtime.block_on(cache.scope(until_all_are_hits(&of_others)));
    runtime.block_on(cache.scope(until_all_are_hits(&its)));
    cluster.nodes[2].freeze();
    let end = Instant::now() + FROZEN;
    let callers = (0..CALLERS).map(|_| {
        let pairs: Vec<_> = its.iter().copied().zip(of_others.clone()).collect();
        runtime.spawn(cache.scope(async move {
            let (mut calls, mut hits) = (0, 0);
            for (n, m) in pairs.into_iter().cycle() {
                call(n).await;
                hits += usize::from(call(m).await == Seen::Stored);
                calls += 1;
                if Instant::now() > end {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (calls, hits)
        }))
    });
    let callers: Vec<_> = callers.collect();
    let (mut calls, mut hits) = (0, 0);
    for caller in callers {
        let (its, of_them) = runtime.block_on(caller).unwrap();
        (calls, hits) = (calls + its, hits + of_them);
    }
    println!(
        "one node frozen: {calls} calls of its keys, and as many of others, {hits} of them hits"
    );
    // Were each to wait for its deadline, there would be no more than these.
    let late = CALLERS * FROZEN.as_millis() as usize / 100;
    assert!(calls > 2 * late);
    assert!(hits * 10 > calls * 9);
    assert_eq!(cache.stats().server().outages, 0);
    cluster.nodes[2].thaw();
    runtime.block_on(cache.scope(until_all_are_hits(&its)));
}
