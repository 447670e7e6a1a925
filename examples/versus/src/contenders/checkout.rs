//! GET by hand on a connection taken from a deadpool-redis pool for each call, with serde_json.

use deadpool_redis::{Config, Connection, Pool, Runtime};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Peer;
use super::multiplexed::{store, stored};
use crate::values::{self, Large, Small};

pub struct Checkout {
    pool: Pool,
}

impl Checkout {
    pub fn open(url: &str) -> Self {
        let pool = Config::from_url(url).create_pool(Some(Runtime::Tokio1));
        Self {
            pool: pool.expect("the URL is made here"),
        }
    }

    async fn connection(&self) -> Connection {
        self.pool.get().await.expect("the server is there")
    }

    /// No connection is held while the body runs.
    async fn read_through<V: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        body: impl Future<Output = V>,
    ) -> V {
        if let Some(value) = stored(self.connection().await, key).await {
            return value;
        }
        let value = body.await;
        store(self.connection().await, key, &value).await;
        value
    }
}

impl Peer for Checkout {
    const NAME: &'static str = "deadpool GET by hand";

    async fn small(&self, id: u64) -> Small {
        let key = format!("checkout:small:{id}");
        self.read_through(&key, async { values::load_small(id) })
            .await
    }

    async fn large(&self, id: u64) -> Large {
        let key = format!("checkout:large:{id}");
        self.read_through(&key, async { values::load_large(id) })
            .await
    }

    async fn slow(&self, id: u64) -> Small {
        let key = format!("checkout:slow:{id}");
        self.read_through(&key, values::load_slow(id)).await
    }
}
