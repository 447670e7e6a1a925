//! quick_cache, in the process alone, without expiry.

use std::convert::Infallible;

use quick_cache::sync::Cache;

use super::{MANY, Peer};
use crate::values::{self, Large, Small};

pub struct QuickCache {
    small: Cache<u64, Small>,
    large: Cache<u64, Large>,
    slow: Cache<u64, Small>,
}

impl QuickCache {
    pub fn new() -> Self {
        Self {
            small: Cache::new(10_000),
            large: Cache::new(10_000),
            slow: Cache::new(10_000),
        }
    }
}

impl Default for QuickCache {
    fn default() -> Self {
        Self::new()
    }
}

async fn read_through<V: Clone>(
    cache: &Cache<u64, V>,
    id: u64,
    body: impl Future<Output = V>,
) -> V {
    let loaded = async { Ok::<_, Infallible>(body.await) };
    let Ok(value) = cache.get_or_insert_async(&id, loaded).await;
    value
}

impl Peer for QuickCache {
    const NAME: &'static str = "quick_cache";
    const CALLS_PER_READING: u32 = MANY;

    async fn small(&self, id: u64) -> Small {
        read_through(&self.small, id, async { values::load_small(id) }).await
    }

    async fn large(&self, id: u64) -> Large {
        read_through(&self.large, id, async { values::load_large(id) }).await
    }

    async fn slow(&self, id: u64) -> Small {
        read_through(&self.slow, id, values::load_slow(id)).await
    }
}
