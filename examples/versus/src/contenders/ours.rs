//! cache-runtime, async.

use cache_runtime::{Cache, read_through};

use super::Peer;
use crate::values::{self, Large, Small};

#[read_through(ttl = 900)]
pub(crate) async fn small(id: u64) -> Small {
    values::load_small(id)
}

#[read_through(ttl = 900)]
pub(crate) async fn large(id: u64) -> Large {
    values::load_large(id)
}

#[read_through(ttl = 900)]
pub(crate) async fn slow(id: u64) -> Small {
    values::load_slow(id).await
}

/// With a body that costs nothing, so that what is left is the cache.
#[read_through(ttl = 900)]
pub(crate) async fn empty(id: u64) -> u64 {
    id
}

pub struct Ours;

impl Ours {
    /// The cache of the whole process from now on.
    pub fn open(url: &str) -> Self {
        install(url);
        Self
    }
}

/// One cache a process, shared by all functions, as in a program.
pub(crate) fn install(url: &str) {
    if Cache::current().is_none() {
        let cache = Cache::open(url).expect("the URL is made here");
        cache.install().expect("no other cache is installed");
    }
}

impl Peer for Ours {
    const NAME: &'static str = "ours";

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
