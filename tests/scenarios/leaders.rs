//! The one who loads dies or dawdles, while others of other caches wait.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_runtime::{Cache, read_through};

use super::Kind;
use super::answers::{Answer, Answers};
use crate::support::{Fleet, Server, Worker, say, tell, wait_to_go};

pub const LEASE: Duration = Duration::from_millis(500);
pub const LOAD: Duration = Duration::from_millis(100);
/// Of each of two caches.
const WAITERS: u64 = 50;

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(key = "n", ttl = 60, lease = "500ms", name = "led")]
async fn led(n: u64, takes: Duration) -> u64 {
    BODIES.fetch_add(1, SeqCst);
    tokio::time::sleep(takes).await;
    n
}

#[read_through(key = "n", ttl = 60, lease = "500ms", name = "led")]
fn led_sync(n: u64, takes: Duration) -> u64 {
    BODIES.fetch_add(1, SeqCst);
    std::thread::sleep(takes);
    n
}

/// What those who waited were answered, after how many bodies of theirs and values stored.
#[derive(Debug)]
pub struct Figures {
    pub answers: Answers,
    pub bodies: u64,
    pub stored: u64,
}

fn stored(cache: &Cache) -> u64 {
    cache.stats().function("led").map_or(0, |of| of.stored)
}

/// So many calls at the same time to each of these caches.
fn at_once(kind: Kind, caches: &[&Cache], takes: Duration) -> Answers {
    let caches = caches.iter().copied();
    let callers = caches.flat_map(|cache| (0..WAITERS).map(move |_| cache.clone()));
    match kind {
        Kind::Async => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let call = |cache: Cache| runtime.spawn(cache.scope(Answer::of(led(7, takes), 7)));
            let tasks: Vec<_> = callers.map(call).collect();
            let answers = tasks.into_iter().map(|task| runtime.block_on(task).ok());
            answers.collect()
        }
        Kind::Sync => {
            let call = |cache: Cache| {
                std::thread::spawn(move || {
                    let _inside = cache.enter();
                    Answer::of_sync(|| led_sync(7, takes), 7)
                })
            };
            let threads: Vec<_> = callers.map(call).collect();
            let answers = threads.into_iter().map(|thread| thread.join().ok());
            answers.collect()
        }
    }
}

/// Loads until it is killed, or waits for somebody else's load.
pub fn work(kind: Kind) {
    let cache = Cache::open(&std::env::var("URL").unwrap()).unwrap();
    if std::env::var("LEADS").is_ok() {
        std::thread::spawn(|| {
            while BODIES.load(SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            say("loading");
        });
        at_once(kind, &[&cache], Duration::from_secs(60));
        return;
    }
    wait_to_go();
    at_once(kind, &[&cache], LOAD).tell();
    tell("bodies", BODIES.load(SeqCst));
    tell("stored", stored(&cache));
}

/// The process that loads is killed, two others wait for it.
pub fn dead(worker: &str) -> Figures {
    let server = Server::start();
    let url = server.url();
    let mut leader = Worker::start(worker, &[("URL", &url), ("LEADS", "")]);
    leader.hears("loading");
    let mut waiters = Fleet::start(worker, 2, &[("URL", &url)]);
    waiters.go();
    leader.kill();
    let told = waiters.end();
    Figures {
        answers: Answers::told(&told),
        bodies: told.sum("bodies"),
        stored: told.sum("stored"),
    }
}

/// The body takes three times as long as a lease lives.
pub fn slow(kind: Kind) -> Figures {
    let server = Server::start();
    // Two caches of one process know as little of each other as two processes.
    let (one, other) = (server.cache(), server.cache());
    BODIES.store(0, SeqCst);
    let answers = at_once(kind, &[&one, &other], 3 * LEASE);
    Figures {
        answers,
        bodies: BODIES.load(SeqCst),
        stored: stored(&one) + stored(&other),
    }
}
