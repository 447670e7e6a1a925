//! Callers that leave, and callers from everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use tokio::runtime::{Builder, Runtime};

use crate::callers::{BODY, load_sync, value};
use crate::report::{DEADLINE, Report, SLACK, millis};
use crate::scenarios::answers::{Answer, Answers};
use crate::support::{Server, runtime};

#[read_through(name = "storm", ttl = 600)]
async fn storm(n: u64) -> u64 {
    tokio::task::yield_now().await;
    value(n)
}

// Answers the same calls.
#[read_through(name = "storm", ttl = 600)]
fn storm_sync(n: u64) -> u64 {
    value(n)
}

const STORM_KEYS: u64 = 1000;

/// A million calls, of which 15 % are dropped somewhere on their way. Sync calls, which nobody can
/// drop, go on beside them.
pub fn cancel_storm(report: &mut Report) {
    const CALLS: u64 = 1_000_000;
    const CALLERS: u64 = 64;
    const THREADS: u64 = 2;
    let server = Server::start();
    let cache = server.cache();
    let runtime = runtime();
    let start = Instant::now();
    let callers = (0..CALLERS).map(|_| runtime.spawn(cache.scope(drops_some(CALLS / CALLERS))));
    let callers: Vec<_> = callers.collect();
    let stop = Arc::<AtomicBool>::default();
    let threads = (0..THREADS).map(|_| {
        let (cache, stop) = (cache.clone(), stop.clone());
        std::thread::spawn(move || {
            let _inside = cache.enter();
            let mut answers = Vec::new();
            while !stop.load(Relaxed) {
                let n = fastrand::u64(..STORM_KEYS);
                answers.push(Some(Answer::of_sync(|| storm_sync(n), value(n))));
            }
            answers
        })
    });
    let threads: Vec<_> = threads.collect();
    let (mut dropped, mut of_async) = (0, Vec::new());
    for caller in callers {
        match runtime.block_on(caller) {
            Ok((drops, answers)) => {
                dropped += drops;
                of_async.extend(answers.into_iter().map(Some));
            }
            Err(_) => of_async.push(None),
        }
    }
    let of_async: Answers = of_async.into_iter().collect();
    let took = start.elapsed();
    stop.store(true, Relaxed);
    let threads = threads.into_iter().map(std::thread::JoinHandle::join);
    let of_sync: Answers = threads
        .flat_map(|seen| seen.unwrap_or_else(|_| vec![None]))
        .collect();
    // A flight or a token that was left behind would keep somebody waiting.
    let start = Instant::now();
    let after = runtime.block_on(cache.scope(async {
        let mut answers = Vec::new();
        for n in 0..STORM_KEYS {
            answers.push(Answer::of(storm(n), value(n)).await);
        }
        answers.into_iter().collect::<Answers>()
    }));
    let all = start.elapsed();
    let outages = cache.stats().server().outages;
    let waits = DEADLINE + SLACK;
    report.row(
        "18 cancel-storm async",
        "0 mismatched values, nothing is left behind; worst <= 0.1 s",
        &format!(
            "{CALLS} calls in {:.1} s, {dropped} dropped; the others: {of_async}; \
             then each key in {}; {outages} outages",
            took.as_secs_f64(),
            millis(all)
        ),
        of_async.errors + after.errors == 0
            && of_async.worst() <= waits
            && dropped > CALLS / 20
            && all < Duration::from_secs(2)
            && outages == 0,
    );
    report.row(
        "18 sync beside it",
        "0 errors (sync calls cannot be dropped); worst <= 0.1 s",
        &of_sync.to_string(),
        of_sync.errors == 0 && of_sync.count() > 1000 && of_sync.worst() <= waits,
    );
}

/// How many it dropped, and the answers to the others.
async fn drops_some(calls: u64) -> (u64, Vec<Answer>) {
    let (mut dropped, mut answers) = (0, Vec::new());
    for _ in 0..calls {
        let n = fastrand::u64(..STORM_KEYS);
        let call = Answer::of(storm(n), value(n));
        let answer = if fastrand::u8(..100) < 15 {
            polled(call, fastrand::u8(..6)).await
        } else {
            Some(call.await)
        };
        dropped += u64::from(answer.is_none());
        answers.extend(answer);
    }
    (dropped, answers)
}

/// Polls a call so many times at most. Its answer, if that was enough.
async fn polled(call: impl Future<Output = Answer>, times: u8) -> Option<Answer> {
    let mut call = std::pin::pin!(call);
    for _ in 0..times {
        let once = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        if let Poll::Ready(answer) = once.await {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Twenty runtimes of each kind after each other, the same cache in all of them.
pub fn runtimes(report: &mut Report) {
    let server = Server::start();
    let cache = server.cache();
    let multi = || runtime();
    let current = || Builder::new_current_thread().enable_all().build().unwrap();
    let bare = || Builder::new_current_thread().build().unwrap();
    let kinds: [(&str, &dyn Fn() -> Runtime); 3] = [
        ("multi-thread", &multi),
        ("current-thread", &current),
        ("without drivers", &bare),
    ];
    for (kind, make) in kinds {
        let hits = || cache.stats().function("storm").map_or(0, |of| of.hits);
        make().block_on(cache.scope(storm(1)));
        let before = hits();
        let start = Instant::now();
        let mut right = true;
        for _ in 0..20 {
            let runtime = make();
            right &= runtime.block_on(cache.scope(storm(1))) == value(1);
            // Dropped in flight.
            let calls = cache.scope(async {
                futures_util::future::join_all((0..8).map(storm)).await;
            });
            let calls = runtime.spawn(calls);
            runtime.shutdown_background();
            drop(calls);
        }
        let (took, hits) = (start.elapsed(), hits() - before);
        report.row(
            &format!("19 {kind}"),
            "20 of 20 hit after the first; no hang, no panic",
            &format!("{hits} hits at least, in {}", millis(took)),
            right && hits >= 20 && took < Duration::from_secs(5),
        );
    }
}

/// A sync function in a worker of a runtime, in a current-thread one, and in a plain thread, while
/// the server is well, frozen and dead.
pub fn sync(report: &mut Report) {
    for state in ["well", "frozen", "dead"] {
        let mut worst = Duration::ZERO;
        let mut right = true;
        for place in ["worker", "current-thread", "plain thread"] {
            let mut server = Server::start();
            let cache = server.cache();
            call_in(place, &cache);
            match state {
                "frozen" => server.freeze(),
                "dead" => server.kill(),
                _ => {}
            }
            for _ in 0..5 {
                let (took, was_right) = call_in(place, &cache);
                worst = worst.max(took.saturating_sub(BODY));
                right &= was_right;
            }
        }
        report.row(
            &format!("20 sync, server {state}"),
            "value, <= 0.1 s + body each",
            &format!("worst extra {} of 15", millis(worst)),
            right && worst < DEADLINE + SLACK,
        );
    }
}

fn call_in(place: &str, cache: &Cache) -> (Duration, bool) {
    let cache = cache.clone();
    let call = move || {
        let _inside = cache.enter();
        let start = Instant::now();
        let found = load_sync(1);
        (start.elapsed(), found == value(1))
    };
    match place {
        "worker" => {
            let runtime = runtime();
            runtime.block_on(async { tokio::spawn(async move { call() }).await.unwrap() })
        }
        "current-thread" => {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move { call() })
        }
        _ => std::thread::spawn(call).join().unwrap(),
    }
}
