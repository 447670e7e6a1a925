//! Four processes with many callers each, and few keys of which nothing is stored.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::{Cache, read_through};

use super::Kind;
use super::answers::{Answer, Answers};
use crate::support::{Server, tell, together, wait_to_go};

pub const KEYS: u64 = 10;
pub const BODY: Duration = Duration::from_millis(100);

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "slow", ttl = 60)]
async fn slow(key: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    tokio::time::sleep(BODY).await;
    key * 10
}

// The same name and the same arguments: the two answer each other's calls, as one function would
// that is called by async and by sync callers.
#[read_through(name = "slow", ttl = 60)]
fn slow_sync(key: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    std::thread::sleep(BODY);
    key * 10
}

/// What one key's value is stored under.
pub fn stored_under(key: u64) -> String {
    slow::key(key)
}

/// So many callers of each of these kinds, spread over the keys.
pub fn work(cache: &Cache, kinds: &[Kind], callers: u64) {
    cache.blocking().ping().unwrap();
    wait_to_go();
    let mut threads = Vec::new();
    let mut tasks = Vec::new();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    for key in (0..callers).map(|caller| caller % KEYS) {
        if kinds.contains(&Kind::Sync) {
            let cache = cache.clone();
            threads.push(std::thread::spawn(move || {
                let _inside = cache.enter();
                Answer::of_sync(|| slow_sync(key), key * 10)
            }));
        }
        if kinds.contains(&Kind::Async) {
            tasks.push(runtime.spawn(cache.scope(Answer::of(slow(key), key * 10))));
        }
    }
    let tasks = tasks.into_iter().map(|task| runtime.block_on(task).ok());
    let threads = threads.into_iter().map(|thread| thread.join().ok());
    let answers: Answers = tasks.chain(threads).collect();
    answers.tell();
    tell("bodies", BODIES.load(Relaxed));
}

/// What became of the fleet.
#[derive(Debug)]
pub struct Figures {
    pub bodies: u64,
    pub answers: Answers,
}

pub fn run(worker: &str, server: &Server) -> Figures {
    let told = together(worker, 4, &[("URL", &server.url())]);
    Figures {
        bodies: told.sum("bodies"),
        answers: Answers::told(&told),
    }
}
