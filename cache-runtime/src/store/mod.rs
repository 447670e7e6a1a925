//! Where values are kept: the verbs that a call needs, and the two places that offer them.

mod memory;
mod redis;

use std::time::Duration;

use crate::config::Config;
use crate::error::Error;
use crate::key::Key;

use self::memory::Memory;
use self::redis::Redis;
use deadpool_redis::Pool;

#[derive(Debug)]
pub(crate) enum Store {
    Redis(Redis),
    Memory(Memory),
}

impl Store {
    /// The store that the configuration's URL names. Connects to nothing.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        if config.url == "memory://" {
            return Ok(Self::memory(config));
        }
        Redis::new(config).map(Self::Redis)
    }

    pub(crate) fn memory(config: &Config) -> Self {
        Self::Memory(Memory::new(config.memory_bytes))
    }

    /// What stands under the key; what is no string was never ours and counts as nothing.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Redis(redis) => redis.get(key).await,
            Self::Memory(memory) => Ok(memory.get(key)),
        }
    }

    /// One answer for each key, in their order, in one round trip.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        match self {
            Self::Redis(redis) => redis.get_many(keys).await,
            Self::Memory(memory) => Ok(keys.iter().map(|key| memory.get(key)).collect()),
        }
    }

    /// Stores a value, replacing whatever stands there; without a time to live it stays until it
    /// is removed.
    pub(crate) async fn fill(
        &self,
        key: &Key,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<(), Error> {
        match self {
            Self::Redis(redis) => redis.fill(key, value, ttl).await,
            Self::Memory(memory) => {
                memory.fill(key, value, ttl);
                Ok(())
            }
        }
    }

    /// Whether there was something to remove.
    pub(crate) async fn remove(&self, key: &Key) -> Result<bool, Error> {
        match self {
            Self::Redis(redis) => redis.remove(key).await,
            Self::Memory(memory) => Ok(memory.remove(key)),
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Redis(redis) => redis.ping().await,
            Self::Memory(_) => Ok(()),
        }
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        match self {
            Self::Redis(redis) => Some(redis.pool()),
            Self::Memory(_) => None,
        }
    }

    /// Moves the clock, where it is ours.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Memory(memory) = self {
            memory.advance(by);
        }
    }

    pub(crate) async fn close(&self) {
        if let Self::Redis(redis) = self {
            redis.close().await;
        }
    }
}
