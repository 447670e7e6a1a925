//! GET by hand on one multiplexed connection of redis-rs, with serde_json.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Peer;
use crate::values::{self, Large, Small, TTL_SECONDS};

pub struct Multiplexed {
    connection: MultiplexedConnection,
}

impl Multiplexed {
    pub async fn open(url: &str) -> Self {
        let connection = super::client(url).get_multiplexed_async_connection().await;
        Self {
            connection: connection.expect("the server is there"),
        }
    }
}

impl Multiplexed {
    async fn read_through<V: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        body: impl Future<Output = V>,
    ) -> V {
        if let Some(value) = stored(self.connection.clone(), key).await {
            return value;
        }
        let value = body.await;
        store(self.connection.clone(), key, &value).await;
        value
    }
}

/// The first half of what people write by hand.
pub(super) async fn stored<V: DeserializeOwned>(
    mut connection: impl AsyncCommands,
    key: &str,
) -> Option<V> {
    let json: Option<Vec<u8>> = connection.get(key).await.ok()?;
    serde_json::from_slice(&json?).ok()
}

/// And the second. A value that could not be stored is loaded again.
pub(super) async fn store<V: Serialize>(mut connection: impl AsyncCommands, key: &str, value: &V) {
    let json = serde_json::to_vec(value).expect("these values are JSON");
    let _ = connection.set_ex::<_, _, ()>(key, json, TTL_SECONDS).await;
}

impl Peer for Multiplexed {
    const NAME: &'static str = "multiplexed GET by hand";

    async fn small(&self, id: u64) -> Small {
        let key = format!("multiplexed:small:{id}");
        self.read_through(&key, async { values::load_small(id) })
            .await
    }

    async fn large(&self, id: u64) -> Large {
        let key = format!("multiplexed:large:{id}");
        self.read_through(&key, async { values::load_large(id) })
            .await
    }

    async fn slow(&self, id: u64) -> Small {
        let key = format!("multiplexed:slow:{id}");
        self.read_through(&key, values::load_slow(id)).await
    }
}
