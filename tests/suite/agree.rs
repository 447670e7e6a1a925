//! Memory and Redis give the same answer to every verb, in whatever order.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{
    Cache, Config, Error, blocking, invalidate, observe, read_through, refresh, uncached,
};
use futures_util::future::join;
use redis::aio::MultiplexedConnection;

use crate::support::Server;

const MAX_BYTES: usize = 64;
const HOUR: Duration = Duration::from_secs(3600);

static RUNS: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "plain", ttl = "1h")]
async fn plain(n: u64) -> Option<u64> {
    RUNS.fetch_add(1, Relaxed);
    (n != 3).then_some(n)
}

#[read_through(name = "timed", ttl = |n: &u64| HOUR * *n as u32, stale = "1h", none = "1h")]
async fn timed(n: u64) -> Option<u64> {
    RUNS.fetch_add(1, Relaxed);
    (n != 3).then_some(n)
}

#[read_through(name = "failing", lease = false)]
async fn failing(n: u64) -> Result<String, String> {
    RUNS.fetch_add(1, Relaxed);
    match n {
        0 => Err("no".to_owned()),
        n => Ok("x".repeat(usize::try_from(n).unwrap_or_default() * 40)),
    }
}

#[read_through(name = "sync", ttl = "1h")]
fn sync(n: u64) -> u64 {
    RUNS.fetch_add(1, Relaxed);
    n
}

async fn unannotated(n: u64) -> u64 {
    n
}

/// An answer, as text.
fn shown<T: Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}

/// The verbs, each with one of a few arguments.
async fn verb(cache: &Cache, which: u64, n: u64) -> String {
    let key = [plain::key(n), timed::key(n), failing::key(n), sync::key(n)];
    let key = &key[usize::try_from(which).unwrap_or_default() % key.len()];
    match which / 4 {
        0 => format!("{:?}", observe(plain(n)).await),
        1 => format!("{:?}", observe(timed(n)).await),
        2 => format!("{:?}", observe(failing(n)).await),
        3 => format!("{:?}", blocking::observe(|| sync(n))),
        4 => shown(cache.get::<u64>(key).await),
        5 => shown(cache.get::<Option<String>>(key).await),
        6 => shown(cache.set(key, &(n + 1), Some(HOUR)).await),
        7 => shown(cache.set(key, &"of another type", None).await),
        8 => shown(cache.set(key, &n, Some(Duration::ZERO)).await),
        9 => shown(
            cache
                .set(key, &"x".repeat(MAX_BYTES), Some(Duration::MAX))
                .await,
        ),
        10 => shown(cache.set(key, &n, Some(Duration::MAX)).await),
        11 => shown(cache.invalidate(key).await),
        12 => shown(plain::invalidate(n).await) + &shown(sync::invalidate(n)),
        13 => shown(invalidate(timed(n)).await) + &shown(blocking::invalidate(|| sync(n))),
        14 => shown(invalidate(unannotated(n)).await) + &shown(blocking::invalidate(|| n)),
        15 => shown(invalidate(join(plain(n), timed(n))).await),
        16 => shown(plain::peek(n).await) + &shown(sync::peek(n)),
        17 => shown(timed::peek_many([n, 1, 3]).await) + &shown(failing::peek(n).await),
        18 => shown(plain::put(n, &Some(n)).await) + &shown(plain::put(n, &None).await),
        19 => shown(timed::put(n, &n).await) + &shown(timed::put(0, &0).await),
        20 => shown(failing::put(n, &"y".repeat(40)).await) + &shown(sync::put(n, &n)),
        21 => shown(failing::put(n, &"y".repeat(MAX_BYTES)).await),
        22 => format!(
            "{:?} {:?}",
            refresh(plain(n)).await,
            timed::refresh(n).await
        ),
        23 => format!("{:?} {:?}", refresh(failing(n)).await, sync::refresh(n)),
        24 => format!(
            "{:?} {:?}",
            uncached(plain(n)).await,
            uncached(timed(n)).await
        ),
        25 => format!("{:?}", observe(uncached(failing(n))).await),
        26 => shown(cache.get::<u64>("of nobody").await),
        27 => shown(cache.invalidate("x".repeat(5000)).await),
        28 => shown(cache.ping().await) + &shown(cache.blocking().get::<u64>(key)),
        _ => {
            cache
                .set(key, &n, Some(Duration::from_millis(1)))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            shown(cache.get::<u64>(key).await)
        }
    }
}

const VERBS: u64 = 4 * 30;

/// One answer, and whether a body ran for it.
async fn answer(cache: &Cache, which: u64, n: u64) -> (String, u64) {
    let before = RUNS.load(Relaxed);
    let mut answer = cache.scope(verb(cache, which, n)).await;
    if answer.contains("Stale") {
        // Only what a verb set is stale, one more than its refresh stores.
        let start = Instant::now();
        let is_old = async || {
            let stored = cache.get::<Option<u64>>(timed::key(n)).await;
            stored.is_ok_and(|stored| stored == Some(Some(n + 1)))
        };
        while is_old().await {
            assert!(start.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        answer += ", refreshed";
    }
    (answer, RUNS.load(Relaxed) - before)
}

/// Waits until the last load without a value has given its lease back, which nobody waits for: an
/// invalidation would find it.
async fn until_no_load_is_under_way(connection: &mut MultiplexedConnection) {
    let start = Instant::now();
    loop {
        let names: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(connection)
            .await
            .unwrap();
        let mut stored = redis::cmd("MGET");
        stored.arg("none").arg(&names);
        let stored: Vec<Option<String>> = stored.query_async(connection).await.unwrap();
        // A lease is padded, and no value of this test is.
        if stored
            .iter()
            .flatten()
            .all(|stored| stored.trim_end() == stored)
        {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{names:?}");
    }
}

#[tokio::test]
async fn memory_and_redis_give_the_same_answers() {
    let server = Server::start();
    let config = |url: &str| {
        let patience = Duration::from_secs(10);
        let config = Config::new(url).max_value_bytes(MAX_BYTES);
        Cache::new(config.connect_timeout(patience).response_timeout(patience)).unwrap()
    };
    let (memory, redis) = (config("memory://"), config(&server.url()));
    // As a user who may list keys.
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut steps = Vec::new();
    // Each verb on nothing, then all of them on what the others left.
    for which in 0..VERBS + 1500 {
        let which = if which < VERBS {
            which
        } else {
            random.u64(0..VERBS)
        };
        let n = random.u64(0..4);
        steps.push((which, n));
        until_no_load_is_under_way(&mut connection).await;
        let [of_memory, of_redis] = [
            answer(&memory, which, n).await,
            answer(&redis, which, n).await,
        ];
        let before = &steps[steps.len().saturating_sub(12)..];
        assert_eq!(of_memory, of_redis, "seed {seed}, after {before:?}");
    }
}
