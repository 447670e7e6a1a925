//! Many processes ask for the same keys at the same time, and change what they hold.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::sleep;
use std::time::Duration;

use cache_runtime::{Cache, read_through};
use tokio::runtime::Runtime;

use crate::report::{DEADLINE, Report, SLACK};
use crate::scenarios::answers::{Answer, Answers};
use crate::scenarios::{KINDS, Kind, fence, fleet};
use crate::support::{Server, runtime};

/// How the processes are called that ask at the same time.
pub const ASYNC: &str = "stampede-async";
pub const SYNC: &str = "stampede-sync";
/// How those are called that invalidate and check, and those that do it without a fence.
pub const FENCED: &str = "fenced";
pub const UNFENCED: &str = "unfenced";

/// As one of those that ask at the same time.
pub fn work(kind: Kind) {
    let cache = Cache::open(&std::env::var("URL").unwrap()).unwrap();
    fleet::work(&cache, &[kind], 125);
}

pub fn stampede(report: &mut Report) {
    for (kind, worker) in [(Kind::Async, ASYNC), (Kind::Sync, SYNC)] {
        let server = Server::start();
        let found = fleet::run(worker, &server);
        report.row(
            &format!("13 stampede {kind}"),
            "4 x 125 callers, 10 keys: 10 loads, 0 errors; worst <= body + 0.1 s",
            &format!("{} loads; {}", found.bodies, found.answers),
            found.bodies == fleet::KEYS
                && found.answers.errors == 0
                && found.answers.count() == 500
                && found.answers.worst() <= fleet::BODY + DEADLINE + SLACK,
        );
    }
}

const LOAD: Duration = Duration::from_millis(200);
/// Each a round of its own, all at the same time.
const ROUNDS: u64 = 10;

static SOURCE: AtomicU64 = AtomicU64::new(0);

#[read_through(key = "n", name = "filled", ttl = 60)]
async fn filled(n: u64) -> (u64, u64) {
    let read = SOURCE.load(SeqCst);
    tokio::time::sleep(LOAD).await;
    (n, read)
}

#[read_through(key = "n", name = "filled", ttl = 60)]
fn filled_sync(n: u64) -> (u64, u64) {
    let read = SOURCE.load(SeqCst);
    sleep(LOAD);
    (n, read)
}

/// A call of each key to each of these caches, under way.
enum Calls {
    Async(Vec<tokio::task::JoinHandle<Answer>>),
    Sync(Vec<std::thread::JoinHandle<Answer>>),
}

impl Calls {
    fn start(kind: Kind, runtime: &Runtime, caches: &[&Cache], version: u64) -> Self {
        let keys = |cache: &Cache| (0..ROUNDS).map(|n| (cache.clone(), n)).collect::<Vec<_>>();
        let calls = caches.iter().flat_map(|cache| keys(cache));
        match kind {
            Kind::Async => Self::Async(
                calls
                    .map(|(cache, n)| cache.scope(Answer::of(filled(n), (n, version))))
                    .map(|call| runtime.spawn(call))
                    .collect(),
            ),
            Kind::Sync => Self::Sync(
                calls
                    .map(|(cache, n)| {
                        std::thread::spawn(move || {
                            let _inside = cache.enter();
                            Answer::of_sync(|| filled_sync(n), (n, version))
                        })
                    })
                    .collect(),
            ),
        }
    }

    fn end(self, runtime: &Runtime) -> Answers {
        match self {
            Self::Async(tasks) => {
                let answers = tasks.into_iter().map(|task| runtime.block_on(task).ok());
                answers.collect()
            }
            Self::Sync(threads) => {
                let answers = threads.into_iter().map(|thread| thread.join().ok());
                answers.collect()
            }
        }
    }
}

/// Another cache invalidates 50 ms after a load of 200 ms began.
pub fn stale_fill(report: &mut Report) {
    for kind in KINDS {
        let server = Server::start();
        let runtime = runtime();
        let (one, other) = (server.cache(), server.cache());
        SOURCE.store(1, SeqCst);
        let before = Calls::start(kind, &runtime, &[&one], 1);
        sleep(Duration::from_millis(50));
        SOURCE.store(2, SeqCst);
        for n in 0..ROUNDS {
            let call = other.scope(filled::invalidate(n));
            runtime.block_on(call).unwrap();
        }
        let at_once = Calls::start(kind, &runtime, &[&one, &other], 2).end(&runtime);
        let before = before.end(&runtime);
        let later = Calls::start(kind, &runtime, &[&one, &other], 2).end(&runtime);
        report.row(
            &format!("14 stale-fill {kind}"),
            "0 stale of 10 rounds; worst <= the load under way, one more, 0.1 s",
            &format!(
                "loads under way: {before}; begun after the invalidation: {at_once}; later: {later}"
            ),
            before.errors + at_once.errors + later.errors == 0
                && at_once.worst() <= 2 * LOAD + DEADLINE + SLACK
                && later.worst() <= DEADLINE,
        );
    }
}

/// Callers, invalidations and whatever else changes a value, at random; and a control.
pub fn random_fills(report: &mut Report) {
    const LONGEST_BODY: Duration = Duration::from_millis(12);
    const LEASE: Duration = Duration::from_millis(200);
    let server = Server::start();
    let found = fence::run(FENCED, &server.url(), fence::HITS);
    report.row(
        "14 stale-fill, random",
        "0 stale of >= 10^5 hits; worst <= lease + body + 0.1 s",
        &format!(
            "{} hits, {} loads, {} fills refused; {}",
            found.hits, found.loads, found.refused, found.answers
        ),
        found.answers.errors == 0
            && found.hits >= 100_000
            && found.refused > 100
            && found.answers.worst() <= LEASE + LONGEST_BODY + DEADLINE + SLACK,
    );
    let server = Server::start();
    let found = fence::run(UNFENCED, &server.url(), fence::HITS / 10);
    report.row(
        "14 control, no fence",
        "the same finds stale values where `lease = false`",
        &format!("{} hits, {} stale", found.hits, found.answers.errors),
        found.answers.errors > 0,
    );
}
