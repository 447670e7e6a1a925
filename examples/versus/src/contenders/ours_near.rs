//! cache-runtime with typed copies in the process, kept coherent by the server.

use std::sync::Arc;

use cache_runtime::read_through;

use super::{MANY, Peer, ours};
use crate::values::{self, Large, Small};

#[read_through(ttl = 900, near)]
pub(crate) async fn small(id: u64) -> Small {
    values::load_small(id)
}

#[read_through(ttl = 900, near)]
pub(crate) async fn shared(id: u64) -> Arc<Small> {
    Arc::new(values::load_small(id))
}

#[read_through(ttl = 900, near)]
async fn large(id: u64) -> Large {
    values::load_large(id)
}

#[read_through(ttl = 900, near)]
async fn slow(id: u64) -> Small {
    values::load_slow(id).await
}

/// What one process changes and another one reads.
#[read_through(ttl = 900, near)]
pub(crate) async fn watched(key: u64) -> u64 {
    key
}

pub struct OursNear;

impl OursNear {
    pub fn open(url: &str) -> Self {
        ours::install(url);
        Self
    }
}

impl Peer for OursNear {
    const NAME: &'static str = "ours, near";
    const CALLS_PER_READING: u32 = MANY;

    fn small(&self, id: u64) -> impl Future<Output = Small> + Send {
        small(id)
    }

    fn large(&self, id: u64) -> impl Future<Output = Large> + Send {
        large(id)
    }

    fn slow(&self, id: u64) -> impl Future<Output = Small> + Send {
        slow(id)
    }
}
