//! `cached`, sync on Redis.

use std::sync::OnceLock;
use std::time::Duration;

use cached::macros::concurrent_cached;
use cached::{RedisCache, RedisCacheError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ThreadPeer;
use crate::values::{self, Large, Small, TTL_SECONDS};

static URL: OnceLock<String> = OnceLock::new();

fn open<V>(prefix: &str) -> RedisCache<u64, V>
where
    V: Serialize + DeserializeOwned + Send + Sync,
{
    let url = URL.get().expect("it is set before the first call");
    let store = RedisCache::builder(prefix).ttl(Duration::from_secs(TTL_SECONDS));
    store
        .connection_string(url)
        .build()
        .expect("the server is there")
}

#[concurrent_cached(
    ty = "RedisCache<u64, Small>",
    create = r#"{ open("small of threads") }"#,
    map_error = |error| error
)]
fn small(id: u64) -> Result<Small, RedisCacheError> {
    Ok(values::load_small(id))
}

#[concurrent_cached(
    ty = "RedisCache<u64, Large>",
    create = r#"{ open("large of threads") }"#,
    map_error = |error| error
)]
fn large(id: u64) -> Result<Large, RedisCacheError> {
    Ok(values::load_large(id))
}

pub struct CachedThreads;

impl CachedThreads {
    pub fn open(url: &str) -> Self {
        URL.get_or_init(|| url.to_owned());
        Self
    }
}

impl ThreadPeer for CachedThreads {
    const NAME: &'static str = "cached, Redis, sync";
    type Own = ();

    fn own(&self) {}

    fn small(&self, _own: &mut (), id: u64) -> Small {
        small(id).unwrap_or_else(|_| values::load_small(id))
    }

    fn large(&self, _own: &mut (), id: u64) -> Large {
        large(id).unwrap_or_else(|_| values::load_large(id))
    }
}
