//! moka's async cache, in the process alone.

use std::time::Duration;

use moka::future::Cache;

use super::{MANY, Peer};
use crate::values::{self, Large, Small, TTL_SECONDS};

pub struct Moka {
    small: Cache<u64, Small>,
    large: Cache<u64, Large>,
    slow: Cache<u64, Small>,
}

impl Moka {
    pub fn new() -> Self {
        Self {
            small: cache(),
            large: cache(),
            slow: cache(),
        }
    }
}

impl Default for Moka {
    fn default() -> Self {
        Self::new()
    }
}

fn cache<V: Clone + Send + Sync + 'static>() -> Cache<u64, V> {
    let ttl = Duration::from_secs(TTL_SECONDS);
    Cache::builder()
        .max_capacity(10_000)
        .time_to_live(ttl)
        .build()
}

impl Peer for Moka {
    const NAME: &'static str = "moka";
    const CALLS_PER_READING: u32 = MANY;

    async fn small(&self, id: u64) -> Small {
        self.small
            .get_with(id, async { values::load_small(id) })
            .await
    }

    async fn large(&self, id: u64) -> Large {
        self.large
            .get_with(id, async { values::load_large(id) })
            .await
    }

    async fn slow(&self, id: u64) -> Small {
        self.slow.get_with(id, values::load_slow(id)).await
    }
}
