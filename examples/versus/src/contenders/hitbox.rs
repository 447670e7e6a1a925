//! hitbox with hitbox-redis.

use std::sync::Arc;
use std::time::Duration;

use hitbox::policy::PolicyConfig;
use hitbox_fn::{Cache, CacheableResponse, cached};
use hitbox_redis::{ConnectionMode, RedisBackend};
use serde::{Deserialize, Serialize};

use super::Peer;
use crate::values::{self, TTL_SECONDS};

/// hitbox stores what derives its trait.
#[derive(Clone, Debug, Deserialize, Serialize, CacheableResponse)]
struct Small {
    value: values::Small,
}

#[derive(Clone, Debug, Deserialize, Serialize, CacheableResponse)]
struct Large {
    value: values::Large,
}

#[cached(prefix = "small")]
async fn small(id: u64) -> Small {
    let value = values::load_small(id);
    Small { value }
}

#[cached(prefix = "large")]
async fn large(id: u64) -> Large {
    let value = values::load_large(id);
    Large { value }
}

#[cached(prefix = "slow")]
async fn slow(id: u64) -> Small {
    let value = values::load_slow(id).await;
    Small { value }
}

pub struct Hitbox {
    cache: Arc<Cache<RedisBackend>>,
}

impl Hitbox {
    pub fn open(url: &str) -> Self {
        let backend = RedisBackend::builder().connection(ConnectionMode::single(url));
        let backend = backend.build().expect("the URL is made here");
        let policy = PolicyConfig::builder()
            .ttl(Duration::from_secs(TTL_SECONDS))
            .build();
        let cache = Cache::builder().backend(backend).policy(policy).build();
        Self {
            cache: Arc::new(cache),
        }
    }
}

impl Peer for Hitbox {
    const NAME: &'static str = "hitbox, Redis";

    async fn small(&self, id: u64) -> values::Small {
        small(id).cache(&self.cache).await.value
    }

    async fn large(&self, id: u64) -> values::Large {
        large(id).cache(&self.cache).await.value
    }

    async fn slow(&self, id: u64) -> values::Small {
        slow(id).cache(&self.cache).await.value
    }
}
