//! cache-runtime, sync.

use cache_runtime::read_through;

use super::{ThreadPeer, ours};
use crate::values::{self, Large, Small};

#[read_through(ttl = 900)]
fn small(id: u64) -> Small {
    values::load_small(id)
}

#[read_through(ttl = 900)]
fn large(id: u64) -> Large {
    values::load_large(id)
}

pub struct OursThreads;

impl OursThreads {
    pub fn open(url: &str) -> Self {
        ours::install(url);
        Self
    }
}

impl ThreadPeer for OursThreads {
    const NAME: &'static str = "ours, sync";
    type Own = ();

    fn own(&self) {}

    fn small(&self, _own: &mut (), id: u64) -> Small {
        small(id)
    }

    fn large(&self, _own: &mut (), id: u64) -> Large {
        large(id)
    }
}
