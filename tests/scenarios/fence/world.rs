//! The source of each key, which only counts up, and its floor.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex};

use redis::aio::MultiplexedConnection;

use super::KEYS;

/// Where the truth is: in one process in atomics, for several on a server.
pub enum World {
    Here(Vec<(AtomicU64, AtomicU64)>),
    Shared(MultiplexedConnection),
}

impl World {
    /// Makes it the one that functions find by this argument.
    pub fn install(self, number: u64) {
        let world = Box::leak(Box::new(self));
        WORLDS.lock().unwrap().insert(number, world);
    }

    pub async fn read(&self, key: u64) -> u64 {
        match self {
            Self::Here(keys) => keys[key as usize].0.load(SeqCst),
            Self::Shared(server) => {
                let mut get = redis::cmd("GET");
                get.arg(format!("source:{key}"));
                let value: Option<u64> = get.query_async(&mut server.clone()).await.unwrap();
                value.unwrap_or(0)
            }
        }
    }

    pub async fn change(&self, key: u64) -> u64 {
        match self {
            Self::Here(keys) => keys[key as usize].0.fetch_add(1, SeqCst) + 1,
            Self::Shared(server) => {
                let mut increment = redis::cmd("INCR");
                increment.arg(format!("source:{key}"));
                increment.query_async(&mut server.clone()).await.unwrap()
            }
        }
    }

    /// Only the one who changes a key raises its floor, so it never sinks.
    pub async fn raise(&self, key: u64, floor: u64) {
        match self {
            Self::Here(keys) => keys[key as usize].1.store(floor, SeqCst),
            Self::Shared(server) => {
                let mut set = redis::cmd("SET");
                set.arg(format!("floor:{key}")).arg(floor);
                let () = set.query_async(&mut server.clone()).await.unwrap();
            }
        }
    }

    pub async fn floors(&self) -> Vec<u64> {
        match self {
            Self::Here(keys) => keys.iter().map(|(_, floor)| floor.load(SeqCst)).collect(),
            Self::Shared(server) => {
                let mut get = redis::cmd("MGET");
                for key in 0..KEYS {
                    get.arg(format!("floor:{key}"));
                }
                let floors: Vec<Option<u64>> = get.query_async(&mut server.clone()).await.unwrap();
                floors.into_iter().map(Option::unwrap_or_default).collect()
            }
        }
    }
}

static WORLDS: LazyLock<Mutex<HashMap<u64, &'static World>>> = LazyLock::new(Default::default);

pub fn world(number: u64) -> &'static World {
    WORLDS.lock().unwrap()[&number]
}
