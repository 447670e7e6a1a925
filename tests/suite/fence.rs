//! A value that was read before an invalidation is never handed out after it: a randomized test
//! with a control that shows that it would notice.
//!
//! Each key has a source that only counts up. Whoever changes it invalidates, and when that
//! returned raises the key's floor: a call that begins later must not be answered with less. Loads
//! are slow at random, callers leave at random, values expire at random, and keys are put,
//! refreshed and deleted from outside as well.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Invalidated, read_through};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;

use crate::support::{Server, is_own_process, tell, together_each, wait_to_go};

const KEYS: u64 = 12;
const PROCESSES: u64 = 3;
/// Hits of all processes together.
const HITS: u64 = 120_000;
const LONGEST: Duration = Duration::from_secs(60);

/// Where the truth is: in one process in atomics, for several on a server.
enum World {
    Here(Vec<(AtomicU64, AtomicU64)>),
    Shared(MultiplexedConnection),
}

impl World {
    async fn read(&self, key: u64) -> u64 {
        match self {
            Self::Here(keys) => keys[key as usize].0.load(SeqCst),
            Self::Shared(server) => {
                let mut get = redis::cmd("GET");
                get.arg(format!("source:{key}"));
                let value: Option<u64> = get.query_async(&mut server.clone()).await.unwrap();
                value.unwrap_or(0)
            }
        }
    }

    async fn change(&self, key: u64) -> u64 {
        match self {
            Self::Here(keys) => keys[key as usize].0.fetch_add(1, SeqCst) + 1,
            Self::Shared(server) => {
                let mut increment = redis::cmd("INCR");
                increment.arg(format!("source:{key}"));
                increment.query_async(&mut server.clone()).await.unwrap()
            }
        }
    }

    /// Only the one who changes a key raises its floor, so it never sinks.
    async fn raise(&self, key: u64, floor: u64) {
        match self {
            Self::Here(keys) => keys[key as usize].1.store(floor, SeqCst),
            Self::Shared(server) => {
                let mut set = redis::cmd("SET");
                set.arg(format!("floor:{key}")).arg(floor);
                let () = set.query_async(&mut server.clone()).await.unwrap();
            }
        }
    }

    async fn floors(&self) -> Vec<u64> {
        match self {
            Self::Here(keys) => keys.iter().map(|(_, floor)| floor.load(SeqCst)).collect(),
            Self::Shared(server) => {
                let mut get = redis::cmd("MGET");
                for key in 0..KEYS {
                    get.arg(format!("floor:{key}"));
                }
                let floors: Vec<Option<u64>> = get.query_async(&mut server.clone()).await.unwrap();
                floors.into_iter().map(Option::unwrap_or_default).collect()
            }
        }
    }
}

static WORLDS: LazyLock<std::sync::Mutex<HashMap<u64, &'static World>>> =
    LazyLock::new(Default::default);

fn world(number: u64) -> &'static World {
    WORLDS.lock().unwrap()[&number]
}

fn chance(of: f64) -> bool {
    fastrand::f64() < of
}

async fn slow_read(number: u64, key: u64) -> Result<u64, ()> {
    pause(0.3, 4).await;
    let value = world(number).read(key).await;
    pause(0.5, 8).await;
    if chance(0.02) { Err(()) } else { Ok(value) }
}

async fn pause(likely: f64, millis: u64) {
    if chance(likely) {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=millis))).await;
    }
}

#[read_through(name = "plain", key = "key", ttl = ttl(), lease = "200ms")]
async fn plain(world: u64, key: u64) -> Result<u64, ()> {
    slow_read(world, key).await
}

#[read_through(name = "stale", key = "key", ttl = ttl(), stale = "50ms", lease = "200ms")]
async fn stale(world: u64, key: u64) -> Result<u64, ()> {
    slow_read(world, key).await
}

/// The control: without the lease there is no fence.
#[read_through(name = "unfenced", key = "key", ttl = ttl(), lease = false)]
async fn unfenced(world: u64, key: u64) -> Result<u64, ()> {
    slow_read(world, key).await
}

fn ttl() -> Duration {
    Duration::from_millis(fastrand::u64(50..400))
}

#[derive(Clone, Copy, PartialEq)]
enum Fence {
    Lease,
    None,
}

/// Calls every key again and again, and checks each answer.
async fn reader(number: u64, cache: &Cache, fence: Fence, stales: &AtomicU64, hits: u64) {
    let start = Instant::now();
    while cache_hits(cache) < hits && start.elapsed() < LONGEST {
        let floors = world(number).floors().await;
        let calls = (0..KEYS).map(|key| async move {
            let patience = Duration::from_millis(if chance(0.02) { 3 } else { 20_000 });
            let answer = match (fence, key % 2) {
                (Fence::None, _) => tokio::time::timeout(patience, unfenced(number, key)).await,
                (Fence::Lease, 0) => tokio::time::timeout(patience, plain(number, key)).await,
                (Fence::Lease, _) => tokio::time::timeout(patience, stale(number, key)).await,
            };
            answer.ok()?.ok()
        });
        for ((key, floor), answer) in (0..).zip(floors).zip(join_all(calls).await) {
            if let Some(value) = answer.filter(|value| *value < floor) {
                stales.fetch_add(1, Relaxed);
                eprintln!("key {key}: {value} although {floor} was invalidated");
            }
        }
    }
}

/// Changes the keys that are this process's to change.
async fn writer(number: u64, cache: &Cache, fence: Fence, mine: Vec<u64>, hits: u64) {
    let start = Instant::now();
    while cache_hits(cache) < hits && start.elapsed() < LONGEST {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..6))).await;
        let key = mine[fastrand::usize(0..mine.len())];
        let value = world(number).change(key).await;
        let done = match (fence, key % 2, fastrand::u8(0..10)) {
            (Fence::None, ..) => removed(unfenced::invalidate(key).await),
            (_, 0, 0) => plain::put(key, &value).await.is_ok(),
            (_, _, 0) => stale::put(key, &value).await.is_ok(),
            // It returns what was loaded, also where the server was away and still has the old one.
            (_, 0, 1) => {
                let loaded = plain::refresh(number, key).await;
                loaded.is_ok() && is_not_before(value, plain::peek(key).await)
            }
            (_, _, 1) => {
                let loaded = stale::refresh(number, key).await;
                loaded.is_ok() && is_not_before(value, stale::peek(key).await)
            }
            (_, 0, 2) => removed(cache.invalidate(plain::key(key)).await),
            (_, 0, 3) => deleted(cache, plain::key(key)).await,
            (_, _, 3) => deleted(cache, stale::key(key)).await,
            (_, 0, _) => removed(plain::invalidate(key).await),
            (_, _, _) => removed(stale::invalidate(key).await),
        };
        if done {
            world(number).raise(key, value).await;
        }
    }
}

/// By another program, which knows of nothing but the key.
async fn deleted(cache: &Cache, key: String) -> bool {
    let Some(pool) = cache.pool() else {
        return false;
    };
    let mut connection = pool.get().await.unwrap();
    let mut delete = redis::cmd("DEL");
    delete
        .arg(key)
        .query_async::<()>(&mut connection)
        .await
        .is_ok()
}

fn is_not_before(value: u64, stored: Result<Option<u64>, cache_runtime::Error>) -> bool {
    stored.is_ok_and(|stored| stored.is_some_and(|stored| stored >= value))
}

fn removed(outcome: Result<Invalidated, cache_runtime::Error>) -> bool {
    matches!(outcome, Ok(Invalidated::Removed | Invalidated::Absent))
}

fn cache_hits(cache: &Cache) -> u64 {
    let stats = cache.stats();
    stats
        .functions()
        .iter()
        .map(|of| of.hits + of.stale + of.joined)
        .sum()
}

async fn everybody(number: u64, cache: &Cache, fence: Fence, mine: Vec<u64>, hits: u64) -> u64 {
    let stales = AtomicU64::new(0);
    let readers = (0..4).map(|_| reader(number, cache, fence, &stales, hits));
    let writing = writer(number, cache, fence, mine, hits);
    cache
        .scope(async { tokio::join!(join_all(readers), writing) })
        .await;
    stales.into_inner()
}

fn worker(fence: Fence) {
    let variable = |name| std::env::var(name).unwrap();
    let me: u64 = variable("ME").parse().unwrap();
    let hits: u64 = variable("HITS").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let cache = Cache::open(&variable("CACHE")).unwrap();
        let server = redis::Client::open(variable("WORLD")).unwrap();
        let server = server.get_multiplexed_async_connection().await.unwrap();
        WORLDS
            .lock()
            .unwrap()
            .insert(0, Box::leak(Box::new(World::Shared(server))));
        wait_to_go();
        let mine = (0..KEYS).filter(|key| key % PROCESSES == me).collect();
        tell("stales", everybody(0, &cache, fence, mine, hits).await);
        let stats = cache.stats();
        let sum =
            |of: fn(&cache_runtime::FunctionStats) -> u64| stats.functions().iter().map(of).sum();
        tell("hits", cache_hits(&cache));
        tell("loads", sum(|of| of.loads));
        tell("refused", sum(|of| of.refused));
        tell("bypassed", sum(|of| of.bypassed));
    });
}

fn processes(test: &str, fence: Fence, cache: &str, hits: u64) -> Option<impl Fn(&str) -> u64> {
    if is_own_process(test) {
        worker(fence);
        return None;
    }
    let world = Server::start();
    let url = world.url_of_default();
    let hits = (hits / PROCESSES).to_string();
    let told = together_each(test, &[("CACHE", cache), ("WORLD", &url), ("HITS", &hits)]);
    for name in ["hits", "loads", "refused", "bypassed", "stales"] {
        println!("{name}: {}", told(name));
    }
    Some(told)
}

const ONE: &str = "fence::no_process_is_handed_a_stale_value_by_one_server";

#[test]
fn no_process_is_handed_a_stale_value_by_one_server() {
    let server = (!is_own_process(ONE)).then(Server::start);
    let url = server.as_ref().map_or_else(String::new, Server::url);
    if let Some(told) = processes(ONE, Fence::Lease, &url, HITS) {
        assert_eq!(told("stales"), 0);
        assert!(told("hits") >= HITS, "{}", told("hits"));
        assert!(told("refused") > 100, "the fence was hardly tried");
    }
}

const CONTROL: &str = "fence::without_the_fence_the_same_test_finds_stale_values";

#[test]
fn without_the_fence_the_same_test_finds_stale_values() {
    let server = (!is_own_process(CONTROL)).then(Server::start);
    let url = server.as_ref().map_or_else(String::new, Server::url);
    if let Some(told) = processes(CONTROL, Fence::None, &url, HITS / 10) {
        assert!(told("stales") > 0);
    }
}

#[cfg(feature = "cluster")]
const CLUSTER: &str = "fence::no_process_is_handed_a_stale_value_by_a_cluster";

#[cfg(feature = "cluster")]
#[test]
fn no_process_is_handed_a_stale_value_by_a_cluster() {
    let cluster = (!is_own_process(CLUSTER)).then(crate::support::Cluster::start);
    let url = cluster
        .as_ref()
        .map_or_else(String::new, crate::support::Cluster::url);
    if let Some(told) = processes(CLUSTER, Fence::Lease, &url, HITS) {
        assert_eq!(told("stales"), 0);
        assert!(told("hits") >= HITS, "{}", told("hits"));
    }
}

fn in_memory(number: u64, fence: Fence) -> u64 {
    let keys = (0..KEYS).map(|_| Default::default()).collect();
    WORLDS
        .lock()
        .unwrap()
        .insert(number, Box::leak(Box::new(World::Here(keys))));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let cache = Cache::in_memory();
    let hits = if fence == Fence::Lease {
        HITS
    } else {
        HITS / 10
    };
    let tasks = (0..PROCESSES).map(|me| {
        let cache = cache.clone();
        let mine = (0..KEYS).filter(|key| key % PROCESSES == me).collect();
        runtime.spawn(async move { everybody(number, &cache, fence, mine, hits).await })
    });
    let stales = runtime.block_on(join_all(tasks));
    assert!(cache_hits(&cache) >= hits);
    stales.into_iter().map(Result::unwrap).sum()
}

#[test]
fn no_task_is_handed_a_stale_value_by_the_memory_of_its_process() {
    assert_eq!(in_memory(1, Fence::Lease), 0);
}

#[test]
fn without_the_fence_the_same_test_finds_stale_values_in_memory() {
    assert!(in_memory(2, Fence::None) > 0);
}
