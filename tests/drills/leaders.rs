//! The one who loads dies, dawdles, panics or leaves.

use std::panic::AssertUnwindSafe;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use futures_util::FutureExt;

use crate::report::{Report, SLACK, millis};
use crate::scenarios::answers::{Answer, Answers};
use crate::scenarios::leaders::{LEASE, LOAD, dead, slow};
use crate::scenarios::{KINDS, Kind};
use crate::support::{Server, runtime};

/// How the processes are called of which one dies while it loads.
pub const ASYNC: &str = "dead-leader-async";
pub const SYNC: &str = "dead-leader-sync";
/// The end of a lease and that of a load are each found within this by who polls for it.
const POLL: Duration = Duration::from_millis(75);

pub fn dead_leader(report: &mut Report) {
    for (kind, worker) in [(Kind::Async, ASYNC), (Kind::Sync, SYNC)] {
        let found = dead(worker);
        report.row(
            &format!("15 dead-leader {kind}"),
            "0 errors; waiters served within lease + body (0.6 s); 1 reload",
            &format!("{}; {} bodies", found.answers, found.bodies),
            found.answers.errors == 0
                && found.bodies == 1
                && found.answers.worst() < LEASE + LOAD + 2 * POLL + SLACK,
        );
    }
}

pub fn slow_leader(report: &mut Report) {
    for kind in KINDS {
        let found = slow(kind);
        report.row(
            &format!("16 slow-leader {kind}"),
            "0 errors; a body of 3 leases (1.5 s): 1 load, stored once",
            &format!(
                "{}; {} bodies, stored {} times",
                found.answers, found.bodies, found.stored
            ),
            found.answers.errors == 0
                && (found.bodies, found.stored) == (1, 1)
                && found.answers.worst() < 3 * LEASE + POLL + SLACK,
        );
    }
}

/// How a load ends that nobody finishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Panics,
    IsDropped,
}

const PANICS_AFTER: Duration = Duration::from_millis(20);

#[read_through(key = "n", ttl = 60, name = "ended")]
async fn ended(n: u64, end: Option<End>) -> u64 {
    match end {
        Some(End::Panics) => {
            tokio::time::sleep(PANICS_AFTER).await;
            panic!("the body of a drill panics");
        }
        Some(End::IsDropped) => std::future::pending().await,
        None => n,
    }
}

#[read_through(key = "n", ttl = 60, name = "ended")]
fn ended_sync(n: u64, panics: bool) -> u64 {
    if panics {
        sleep(PANICS_AFTER);
        panic!("the body of a drill panics");
    }
    n
}

/// How long after the end of the leader another call was answered, one of another cache if that is
/// what `waits` is. None if it panicked.
async fn hand_over(leads: &Cache, waits: &Cache, n: u64, end: End) -> Option<Answer> {
    let leader = tokio::spawn(AssertUnwindSafe(leads.scope(ended(n, Some(end)))).catch_unwind());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let waiter = tokio::spawn(waits.scope(ended(n, None)));
    tokio::time::sleep(Duration::from_millis(5)).await;
    if end == End::IsDropped {
        leader.abort();
    }
    let _ = leader.await;
    let over = Instant::now();
    let right = waiter.await.ok()? == n;
    let took = over.elapsed();
    Some(Answer { took, right })
}

/// The same for calls of a sync function, each on a thread.
fn hand_over_sync(leads: &Cache, waits: &Cache, n: u64) -> Option<Answer> {
    let on_thread = |cache: &Cache, panics| {
        let cache = cache.clone();
        std::thread::spawn(move || {
            let _inside = cache.enter();
            ended_sync(n, panics)
        })
    };
    let leader = on_thread(leads, true);
    sleep(Duration::from_millis(10));
    let waiter = on_thread(waits, false);
    let _ = leader.join();
    let over = Instant::now();
    let right = waiter.join().ok()? == n;
    let took = over.elapsed();
    Some(Answer { took, right })
}

/// Of sync bodies there is none that is dropped: they can only panic.
pub fn broken_leader(report: &mut Report) {
    const ROUNDS: u64 = 20;
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = runtime();
    for (name, kind, end) in [
        ("panics", Kind::Async, End::Panics),
        ("panics", Kind::Sync, End::Panics),
        ("is dropped", Kind::Async, End::IsDropped),
    ] {
        for of in ["same cache", "another"] {
            let server = Server::start();
            let leads = server.cache();
            let waits = match of {
                "same cache" => leads.clone(),
                _ => server.cache(),
            };
            let hand_over = |n| match kind {
                Kind::Async => runtime.block_on(hand_over(&leads, &waits, n, end)),
                Kind::Sync => hand_over_sync(&leads, &waits, n),
            };
            let answers: Answers = (0..ROUNDS).map(hand_over).collect();
            let soon = Duration::from_millis(if of == "same cache" { 10 } else { 50 });
            report.row(
                &format!("17 {kind} {name}, {of}"),
                "0 errors; the next leads < 10 ms (another cache polls: 50 ms)",
                &format!("{answers}, in the middle {}", millis(answers.median())),
                answers.errors == 0
                    && answers.count() == 20
                    && answers.median() < soon
                    && answers.worst() < soon + POLL + SLACK,
            );
        }
    }
    let _ = std::panic::take_hook();
}
