//! A copy (option `near`) of a value on a server that stands still, so that no change can be told.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, blocking, observe, read_through};

use super::Kind;
use super::answers::{Answer, Answers};
use crate::support::Server;

#[read_through(name = "frozen", ttl = 600, near)]
async fn copied(n: u64) -> u64 {
    n
}

#[read_through(name = "frozen", ttl = 600, near)]
fn copied_sync(n: u64) -> u64 {
    n
}

#[derive(Debug)]
pub struct Figures {
    /// Calls that the copy answered while the server stood still.
    pub copies: u64,
    /// How old the copy was at most when a call began that it answered.
    pub oldest: Duration,
    /// Calls that a copy answered after one that none answered.
    pub copies_after: u64,
    /// Of all calls while the server stood still.
    pub answers: Answers,
}

fn call(kind: Kind, cache: &Cache, runtime: &tokio::runtime::Runtime) -> (Answer, Seen) {
    let mut seen = Seen::Bypassed;
    let answer = match kind {
        Kind::Async => runtime.block_on(cache.scope(async {
            let call = async {
                let value;
                (value, seen) = observe(copied(7)).await;
                value
            };
            Answer::of(call, 7).await
        })),
        Kind::Sync => {
            let _inside = cache.enter();
            let call = || {
                let value;
                (value, seen) = blocking::observe(|| copied_sync(7));
                value
            };
            Answer::of_sync(call, 7)
        }
    };
    (answer, seen)
}

/// Calls until no copy answers any more, and for this long after it.
pub fn run(kind: Kind, server: &Server, cache: &Cache, after: Duration) -> Figures {
    const LONGEST: Duration = Duration::from_secs(30);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Whatever copy there is was read after this.
    runtime
        .block_on(cache.scope(copied::invalidate(7)))
        .unwrap();
    let read = Instant::now();
    while call(kind, cache, &runtime).1 != Seen::Near {
        assert!(read.elapsed() < LONGEST, "there is no copy");
    }
    server.freeze();
    let mut figures = Figures {
        copies: 0,
        oldest: Duration::ZERO,
        copies_after: 0,
        answers: Answers::default(),
    };
    let mut answers = Vec::new();
    let mut off = None;
    while read.elapsed() < LONGEST && off.is_none_or(|off: Instant| off.elapsed() < after) {
        let age = read.elapsed();
        let (answer, seen) = call(kind, cache, &runtime);
        answers.push(answer);
        match (seen, off) {
            (Seen::Near, None) => {
                figures.copies += 1;
                figures.oldest = age;
            }
            (Seen::Near, Some(_)) => figures.copies_after += 1,
            _ => off = off.or_else(|| Some(Instant::now())),
        }
        // Of a call every some microseconds nothing more is learnt.
        std::thread::sleep(Duration::from_micros(100));
    }
    server.thaw();
    figures.answers = answers.into_iter().collect();
    figures
}
