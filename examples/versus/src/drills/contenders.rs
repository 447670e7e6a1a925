//! Who is drilled: the same function behind each cache, with what its caller is handed, errors and
//! all. Each as its own documentation shows it.

use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::read_through;
use cached::macros::concurrent_cached;
use cached::{AsyncRedisCache, RedisCacheError};
use hitbox::policy::PolicyConfig;
use hitbox_fn::{Cache, CacheableResponse};
use hitbox_redis::{ConnectionMode, RedisBackend};
use serde::{Deserialize, Serialize};

use crate::contenders::ours::install;

pub struct Contender {
    pub name: &'static str,
    pub call: Call,
}

/// The value, or what the caller gets in its place.
pub type Answer = Result<u64, String>;

#[derive(Clone, Copy)]
pub enum Call {
    OfTask(fn(u64) -> Pin<Box<dyn Future<Output = Answer> + Send>>),
    OfThread(fn(u64) -> Answer),
}

pub const CONTENDERS: &[Contender] = &[
    Contender {
        name: "ours",
        call: Call::OfTask(|n| Box::pin(async move { Ok(ours(n).await) })),
    },
    Contender {
        name: "ours, sync",
        call: Call::OfThread(|n| Ok(ours_sync(n))),
    },
    Contender {
        name: "cached",
        call: Call::OfTask(|n| Box::pin(async move { cached(n).await.map_err(text) })),
    },
    Contender {
        name: "cached, connection manager",
        call: Call::OfTask(|n| Box::pin(async move { managed(n).await.map_err(text) })),
    },
    Contender {
        name: "cached, sync",
        call: Call::OfThread(|n| cached_sync(n).map_err(text)),
    },
    Contender {
        name: "hitbox",
        call: Call::OfTask(|n| Box::pin(async move { Ok(hitbox(n).cache(backed()).await.value) })),
    },
];

/// # Panics
/// If there is none of this name.
pub fn find(name: &str) -> &'static Contender {
    let found = CONTENDERS.iter().find(|of| of.name == name);
    found.expect("a process is started for one of them")
}

/// Where the server of this process is.
static URL: OnceLock<String> = OnceLock::new();

/// The server of this process, from now on.
pub fn set_url(url: &str) {
    URL.get_or_init(|| url.to_owned());
    install(url);
}

fn url() -> &'static str {
    URL.get().expect("it is set before the first call")
}

fn text(error: RedisCacheError) -> String {
    error.to_string()
}

/// How long a body takes, in milliseconds.
static TAKES: AtomicU64 = AtomicU64::new(2);

pub fn set_length_of_bodies(takes: Duration) {
    let millis = takes.as_millis().try_into().expect("it is short");
    TAKES.store(millis, Relaxed);
}

fn length() -> Duration {
    Duration::from_millis(TAKES.load(Relaxed))
}

pub const CALLERS: u64 = 8;
/// So many keys are each caller's own.
pub const SHARE: u64 = 1_000_000;

/// Bodies that were begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// Bodies that returned, for each caller.
static RETURNED: [AtomicU64; CALLERS as usize] = [const { AtomicU64::new(0) }; CALLERS as usize];

pub fn begun() -> u64 {
    BEGUN.load(Relaxed)
}

/// For the caller whose key this is.
pub fn returned(n: u64) -> u64 {
    of_caller(n).load(Relaxed)
}

fn of_caller(n: u64) -> &'static AtomicU64 {
    &RETURNED[usize::try_from(n / SHARE).expect("there are few callers")]
}

pub fn value(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

async fn body(n: u64) -> u64 {
    BEGUN.fetch_add(1, Relaxed);
    tokio::time::sleep(length()).await;
    of_caller(n).fetch_add(1, Relaxed);
    value(n)
}

fn body_sync(n: u64) -> u64 {
    BEGUN.fetch_add(1, Relaxed);
    std::thread::sleep(length());
    of_caller(n).fetch_add(1, Relaxed);
    value(n)
}

#[read_through(ttl = 900)]
async fn ours(n: u64) -> u64 {
    body(n).await
}

#[read_through(ttl = 900)]
fn ours_sync(n: u64) -> u64 {
    body_sync(n)
}

#[concurrent_cached(redis = true, ttl_secs = 900, map_error = |error| error)]
async fn cached(n: u64) -> Result<u64, RedisCacheError> {
    Ok(body(n).await)
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, u64>",
    create = r#"{ of_manager().await }"#,
    map_error = |error| error
)]
async fn managed(n: u64) -> Result<u64, RedisCacheError> {
    Ok(body(n).await)
}

async fn of_manager() -> AsyncRedisCache<u64, u64> {
    let cache = AsyncRedisCache::builder("managed").ttl(Duration::from_secs(900));
    let cache = cache.connection_string(url()).connection_manager(true);
    cache.build().await.expect("error building redis cache")
}

#[concurrent_cached(redis = true, ttl_secs = 900, map_error = |error| error)]
fn cached_sync(n: u64) -> Result<u64, RedisCacheError> {
    Ok(body_sync(n))
}

/// hitbox stores what derives its trait.
#[derive(Clone, Debug, Deserialize, Serialize, CacheableResponse)]
struct Boxed {
    value: u64,
}

#[hitbox_fn::cached]
async fn hitbox(n: u64) -> Boxed {
    let value = body(n).await;
    Boxed { value }
}

fn backed() -> &'static Cache<RedisBackend> {
    static BACKED: OnceLock<Cache<RedisBackend>> = OnceLock::new();
    BACKED.get_or_init(|| {
        let backend = RedisBackend::builder().connection(ConnectionMode::single(url()));
        let backend = backend.build().expect("the URL is made here");
        let policy = PolicyConfig::builder()
            .ttl(Duration::from_secs(900))
            .build();
        Cache::builder().backend(backend).policy(policy).build()
    })
}
