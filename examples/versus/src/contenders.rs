//! Who is measured.
//!
//! Each is used as its own documentation shows it, with its defaults, behind a function that a
//! program would have: an id in, an owned value out. Where a peer answers with an error, the
//! function runs the body, which the tables tell.

pub mod cached;
pub mod cached_in_client;
pub mod cached_threads;
pub mod checkout;
pub mod hitbox;
pub mod moka;
pub mod multiplexed;
pub mod ours;
pub mod ours_near;
pub mod ours_threads;
pub mod own_connection;
pub mod quick_cache;

use std::sync::Arc;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};
use tokio::runtime::Handle;

use crate::measure::{self, Plan, Slice};
use crate::open_loop::{self, Seen};
use crate::values::{KEYS, Large, Small};

/// [`CALLS_PER_READING`](Peer::CALLS_PER_READING) of what answers from the process.
const MANY: u32 = 64;

/// So many callers fill a contender with every value.
const FILLERS: u64 = 16;

/// A way for async callers to read through a cache.
pub trait Peer: Send + Sync + 'static {
    const NAME: &'static str;

    /// Calls that share one reading of the clock: more than one where a reading would take a good
    /// part of a call.
    const CALLS_PER_READING: u32 = 1;

    fn small(&self, id: u64) -> impl Future<Output = Small> + Send;
    fn large(&self, id: u64) -> impl Future<Output = Large> + Send;

    /// With a body that takes its time.
    fn slow(&self, id: u64) -> impl Future<Output = Small> + Send;
}

/// A way for threads to read through a cache.
pub trait ThreadPeer: Send + Sync + 'static {
    const NAME: &'static str;

    /// What each thread has for itself.
    type Own: Send + 'static;

    fn own(&self) -> Self::Own;
    fn small(&self, own: &mut Self::Own, id: u64) -> Small;
    fn large(&self, own: &mut Self::Own, id: u64) -> Large;
}

/// A peer of either kind, ready to run.
pub trait Contender {
    fn name(&self) -> &'static str;

    /// Whether a hit is answered without asking the server.
    fn is_in_process(&self) -> bool;

    /// Runs its callers for one slice of time.
    fn slice(&self, plan: &Plan<'_>) -> Slice;
}

/// A peer for async callers.
pub trait AsyncContender: Contender {
    /// Runs this many callers of one cold key, and returns how many bodies ran.
    fn stampede(&self, callers: usize) -> u64;

    /// Runs calls that come at random, so many a second, at moments that the seed decides.
    fn open_loop(&self, per_second: f64, length: Duration, seed: u64) -> Seen;
}

/// Async callers: tasks of one runtime.
struct Tasks<P> {
    peer: Arc<P>,
    runtime: Handle,
}

impl<P: Peer> Contender for Tasks<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn is_in_process(&self) -> bool {
        P::CALLS_PER_READING > 1
    }

    fn slice(&self, plan: &Plan<'_>) -> Slice {
        measure::tasks(&self.peer, &self.runtime, plan)
    }
}

impl<P: Peer> AsyncContender for Tasks<P> {
    fn stampede(&self, callers: usize) -> u64 {
        let peer = self.peer.clone();
        let call = move |id| {
            let peer = peer.clone();
            async move { peer.slow(id).await }
        };
        self.runtime
            .block_on(crate::stampede::bodies(callers, call))
    }

    fn open_loop(&self, per_second: f64, length: Duration, seed: u64) -> Seen {
        open_loop::slice(&self.peer, &self.runtime, per_second, length, seed)
    }
}

/// Sync callers: threads.
struct Threads<P>(Arc<P>);

impl<P: ThreadPeer> Contender for Threads<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn is_in_process(&self) -> bool {
        false
    }

    fn slice(&self, plan: &Plan<'_>) -> Slice {
        measure::threads(&self.0, plan)
    }
}

/// A client of redis-rs, by hand. What is written goes out at once, as ours does.
fn client(url: &str) -> Client {
    let info = url.into_connection_info().expect("the URL is made here");
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    Client::open(info).expect("the URL is made here")
}

/// The async ones, each filled with every value.
pub fn of_tasks(url: &str, runtime: &Handle) -> Vec<Box<dyn AsyncContender>> {
    vec![
        tasks(runtime, async { ours::Ours::open(url) }),
        tasks(runtime, async { ours_near::OursNear::open(url) }),
        tasks(runtime, async { cached::Cached::open(url) }),
        tasks(runtime, async { hitbox::Hitbox::open(url) }),
        tasks(runtime, multiplexed::Multiplexed::open(url)),
        tasks(runtime, async { checkout::Checkout::open(url) }),
        tasks(runtime, async {
            cached_in_client::CachedInClient::open(url)
        }),
        tasks(runtime, async { moka::Moka::new() }),
        tasks(runtime, async { quick_cache::QuickCache::new() }),
    ]
}

/// Ours and a GET by hand, async.
pub fn of_tasks_by_hand(url: &str, runtime: &Handle) -> Vec<Box<dyn AsyncContender>> {
    vec![
        tasks(runtime, async { ours::Ours::open(url) }),
        tasks(runtime, multiplexed::Multiplexed::open(url)),
    ]
}

/// Ours and a GET by hand, sync.
pub fn of_threads_by_hand(url: &str) -> Vec<Box<dyn Contender>> {
    vec![
        threads(ours_threads::OursThreads::open(url)),
        threads(own_connection::OwnConnection::<false>::open(url)),
    ]
}

/// The sync ones, each filled with every value.
pub fn of_threads(url: &str) -> Vec<Box<dyn Contender>> {
    vec![
        threads(ours_threads::OursThreads::open(url)),
        threads(cached_threads::CachedThreads::open(url)),
        threads(own_connection::OwnConnection::<false>::open(url)),
        threads(own_connection::OwnConnection::<true>::open(url)),
    ]
}

/// Made on a worker of the runtime, where a program would make it.
pub(crate) fn tasks<P: Peer>(
    runtime: &Handle,
    open: impl Future<Output = P>,
) -> Box<dyn AsyncContender> {
    let filled = async {
        let peer = Arc::new(open.await);
        // Through a network, one after the other would take a minute.
        let callers = (0..FILLERS).map(|first| {
            let peer = peer.clone();
            runtime.spawn(async move {
                for id in (first..KEYS).step_by(FILLERS as usize) {
                    peer.small(id).await;
                    peer.large(id).await;
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("no contender panics on a miss");
        }
        peer
    };
    Box::new(Tasks {
        peer: runtime.block_on(filled),
        runtime: runtime.clone(),
    })
}

fn threads<P: ThreadPeer>(peer: P) -> Box<dyn Contender> {
    std::thread::scope(|threads| {
        for first in 0..FILLERS {
            let (peer, mut own) = (&peer, peer.own());
            threads.spawn(move || {
                for id in (first..KEYS).step_by(FILLERS as usize) {
                    peer.small(&mut own, id);
                    peer.large(&mut own, id);
                }
            });
        }
    });
    Box::new(Threads(Arc::new(peer)))
}
