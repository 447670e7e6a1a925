//! `cached`, async on Redis with its client-side caching: hits come from the process.

use cached::macros::concurrent_cached;
use cached::{AsyncRedisCache, RedisCacheError};

use super::cached::{set_url, store};
use super::{MANY, Peer};
use crate::values::{self, Large, Small};

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, Small>",
    create = r#"{ store("small in client", true).await }"#,
    map_error = |error| error
)]
async fn small(id: u64) -> Result<Small, RedisCacheError> {
    Ok(values::load_small(id))
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, Large>",
    create = r#"{ store("large in client", true).await }"#,
    map_error = |error| error
)]
async fn large(id: u64) -> Result<Large, RedisCacheError> {
    Ok(values::load_large(id))
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, Small>",
    create = r#"{ store("slow in client", true).await }"#,
    map_error = |error| error
)]
async fn slow(id: u64) -> Result<Small, RedisCacheError> {
    Ok(values::load_slow(id).await)
}

pub struct CachedInClient;

impl CachedInClient {
    pub fn open(url: &str) -> Self {
        set_url(url);
        Self
    }
}

impl Peer for CachedInClient {
    const NAME: &'static str = "cached, Redis, client-side";
    const CALLS_PER_READING: u32 = MANY;

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
