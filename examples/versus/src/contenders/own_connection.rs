//! GET by hand on a blocking connection of the thread's own, with serde_json: what no sharing can
//! beat for a lone thread.

use redis::{Commands, Connection};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ThreadPeer;
use crate::values::{self, Large, Small, TTL_SECONDS};

pub struct OwnConnection {
    client: redis::Client,
}

impl OwnConnection {
    pub fn open(url: &str) -> Self {
        let client = redis::Client::open(url).expect("the URL is made here");
        Self { client }
    }
}

impl ThreadPeer for OwnConnection {
    const NAME: &'static str = "own connection, by hand";
    type Own = Connection;

    fn own(&self) -> Connection {
        self.client.get_connection().expect("the server is there")
    }

    fn small(&self, own: &mut Connection, id: u64) -> Small {
        let key = format!("own connection:small:{id}");
        read_through(own, &key, || values::load_small(id))
    }

    fn large(&self, own: &mut Connection, id: u64) -> Large {
        let key = format!("own connection:large:{id}");
        read_through(own, &key, || values::load_large(id))
    }
}

fn read_through<V: Serialize + DeserializeOwned>(
    connection: &mut Connection,
    key: &str,
    body: impl FnOnce() -> V,
) -> V {
    let stored: Option<Vec<u8>> = connection.get(key).expect("the server answers");
    if let Some(value) = stored.and_then(|json| serde_json::from_slice(&json).ok()) {
        return value;
    }
    let value = body();
    let json = serde_json::to_vec(&value).expect("these values are JSON");
    let set = connection.set_ex::<_, _, ()>(key, json, TTL_SECONDS);
    set.expect("the server answers");
    value
}
