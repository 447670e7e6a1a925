//! GET by hand on a blocking connection of the thread's own, with serde_json: what no sharing can
//! beat for a lone thread. A deadline for the answer, as ours has it, is a timer of the kernel for each
//! read; without one, a server that stands still holds the thread up for ever.

use std::time::Duration;

use redis::{Commands, Connection};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ThreadPeer;
use crate::values::{self, Large, Small, TTL_SECONDS};

pub struct OwnConnection<const BOUNDED: bool> {
    client: redis::Client,
}

impl<const BOUNDED: bool> OwnConnection<BOUNDED> {
    pub fn open(url: &str) -> Self {
        Self {
            client: super::client(url),
        }
    }
}

impl<const BOUNDED: bool> ThreadPeer for OwnConnection<BOUNDED> {
    const NAME: &'static str = match BOUNDED {
        true => "own connection, a deadline",
        false => "own connection, by hand",
    };
    type Own = Connection;

    fn own(&self) -> Connection {
        /// The same as ours has by default.
        const DEADLINE: Duration = Duration::from_millis(100);
        let connection = self.client.get_connection();
        let connection = connection.expect("the server is there");
        let limit = BOUNDED.then_some(DEADLINE);
        connection.set_read_timeout(limit).expect("it is not zero");
        connection
    }

    fn small(&self, own: &mut Connection, id: u64) -> Small {
        let key = format!("{}:small:{id}", Self::NAME);
        read_through(own, &key, || values::load_small(id))
    }

    fn large(&self, own: &mut Connection, id: u64) -> Large {
        let key = format!("{}:large:{id}", Self::NAME);
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
