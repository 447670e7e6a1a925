//! A value that was read before an invalidation must never be handed out after it: callers at random,
//! and a control without a fence that shows that they would notice.
//!
//! Each key has a source that only counts up. Whoever changes it invalidates, and when that
//! returned raises the key's floor: a call that begins later must not be answered with less. Loads
//! are slow at random, callers leave at random, values expire at random, and keys are put,
//! refreshed and deleted from outside as well.

mod world;

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Invalidated, read_through};
use futures_util::future::join_all;

use self::world::{World, world};
use super::answers::{Answer, Answers};
use crate::support::{Server, tell, together, wait_to_go};

const KEYS: u64 = 12;
const PROCESSES: u64 = 3;
/// Hits of all processes together.
pub const HITS: u64 = 120_000;
const LONGEST: Duration = Duration::from_secs(120);

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
pub enum Fence {
    Lease,
    None,
}

/// Calls every key again and again, and checks each answer.
async fn reader(number: u64, cache: &Cache, fence: Fence, hits: u64) -> Vec<Answer> {
    let start = Instant::now();
    let mut answers = Vec::new();
    while cache_hits(cache) < hits && start.elapsed() < LONGEST {
        let floors = world(number).floors().await;
        let calls = (0..KEYS).map(|key| async move {
            let began = Instant::now();
            let leaves = chance(0.02);
            let patience = Duration::from_millis(if leaves { 3 } else { 20_000 });
            let answer = match (fence, key % 2) {
                (Fence::None, _) => tokio::time::timeout(patience, unfenced(number, key)).await,
                (Fence::Lease, 0) => tokio::time::timeout(patience, plain(number, key)).await,
                (Fence::Lease, _) => tokio::time::timeout(patience, stale(number, key)).await,
            };
            (answer.ok(), leaves, began.elapsed())
        });
        for ((key, floor), (answer, left, took)) in (0..).zip(floors).zip(join_all(calls).await) {
            let right = match answer {
                None if left => continue,
                None => {
                    eprintln!("key {key}: no answer after {took:?}");
                    false
                }
                Some(Ok(value)) if value < floor => {
                    // The control finds thousands.
                    if fence == Fence::Lease {
                        eprintln!("key {key}: {value} although {floor} was invalidated");
                    }
                    false
                }
                Some(_) => true,
            };
            answers.push(Answer { took, right });
        }
    }
    answers
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

async fn everybody(
    number: u64,
    cache: &Cache,
    fence: Fence,
    mine: Vec<u64>,
    hits: u64,
) -> Vec<Answer> {
    let readers = (0..4).map(|_| reader(number, cache, fence, hits));
    let writing = writer(number, cache, fence, mine, hits);
    let all = async { tokio::join!(join_all(readers), writing) };
    let (answers, ()) = cache.scope(all).await;
    answers.concat()
}

/// What the readers found.
#[derive(Debug)]
pub struct Figures {
    pub hits: u64,
    pub loads: u64,
    /// Fills that came too late.
    pub refused: u64,
    /// Stale values are errors.
    pub answers: Answers,
}

pub fn work(fence: Fence) {
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
        World::Shared(server).install(0);
        wait_to_go();
        let mine = (0..KEYS).filter(|key| key % PROCESSES == me).collect();
        let answers = everybody(0, &cache, fence, mine, hits).await;
        answers.into_iter().collect::<Answers>().tell();
        let stats = cache.stats();
        let sum =
            |of: fn(&cache_runtime::FunctionStats) -> u64| stats.functions().iter().map(of).sum();
        tell("hits", cache_hits(&cache));
        tell("loads", sum(|of| of.loads));
        tell("refused", sum(|of| of.refused));
    });
}

/// Three processes with the cache at this URL, until they had so many hits.
pub fn run(worker: &str, cache: &str, hits: u64) -> Figures {
    let world = Server::start();
    let url = world.url_of_default();
    let hits = (hits / PROCESSES).to_string();
    let variables = [("CACHE", cache), ("WORLD", &url), ("HITS", &hits)];
    let told = together(worker, PROCESSES, &variables);
    Figures {
        hits: told.sum("hits"),
        loads: told.sum("loads"),
        refused: told.sum("refused"),
        answers: Answers::told(&told),
    }
}

/// As many tasks of one process, with a cache in its memory.
pub fn in_memory(number: u64, fence: Fence, hits: u64) -> Figures {
    let keys = (0..KEYS).map(|_| Default::default()).collect();
    World::Here(keys).install(number);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let cache = Cache::in_memory();
    let tasks = (0..PROCESSES).map(|me| {
        let cache = cache.clone();
        let mine = (0..KEYS).filter(|key| key % PROCESSES == me).collect();
        runtime.spawn(async move { everybody(number, &cache, fence, mine, hits).await })
    });
    let answers = runtime.block_on(join_all(tasks));
    let stats = cache.stats();
    let functions = stats.functions().iter();
    Figures {
        hits: cache_hits(&cache),
        loads: functions.clone().map(|of| of.loads).sum(),
        refused: functions.map(|of| of.refused).sum(),
        answers: answers.into_iter().flat_map(Result::unwrap).collect(),
    }
}
