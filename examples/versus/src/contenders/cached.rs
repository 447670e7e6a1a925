//! `cached`, async on Redis.

use std::sync::OnceLock;
use std::time::Duration;

use cached::macros::concurrent_cached;
use cached::{AsyncRedisCache, RedisCacheError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Peer;
use crate::values::{self, Large, Small, TTL_SECONDS};

static URL: OnceLock<String> = OnceLock::new();

pub(super) fn set_url(url: &str) {
    URL.get_or_init(|| url.to_owned());
}

pub(super) async fn store<V>(prefix: &str, client_side_caching: bool) -> AsyncRedisCache<u64, V>
where
    V: Serialize + DeserializeOwned + Send + Sync,
{
    let store = AsyncRedisCache::builder(prefix)
        .ttl(Duration::from_secs(TTL_SECONDS))
        .connection_string(URL.get().expect("it is set before the first call"))
        .client_side_caching(client_side_caching);
    store.build().await.expect("the server is there")
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, Small>",
    create = r#"{ store("small", false).await }"#,
    map_error = |error| error
)]
async fn small(id: u64) -> Result<Small, RedisCacheError> {
    Ok(values::load_small(id))
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, Large>",
    create = r#"{ store("large", false).await }"#,
    map_error = |error| error
)]
async fn large(id: u64) -> Result<Large, RedisCacheError> {
    Ok(values::load_large(id))
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, Small>",
    create = r#"{ store("slow", false).await }"#,
    map_error = |error| error
)]
async fn slow(id: u64) -> Result<Small, RedisCacheError> {
    Ok(values::load_slow(id).await)
}

pub struct Cached;

impl Cached {
    pub fn open(url: &str) -> Self {
        set_url(url);
        Self
    }
}

impl Peer for Cached {
    const NAME: &'static str = "cached, Redis";

    async fn small(&self, id: u64) -> Small {
        small(id).await.unwrap_or_else(|_| values::load_small(id))
    }

    async fn large(&self, id: u64) -> Large {
        large(id).await.unwrap_or_else(|_| values::load_large(id))
    }

    async fn slow(&self, id: u64) -> Small {
        slow(id).await.unwrap_or_else(|_| values::load_small(id))
    }
}
