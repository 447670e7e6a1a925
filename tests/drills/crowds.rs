//! Callers that leave, and callers from everywhere.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use tokio::runtime::{Builder, Runtime};

use crate::callers::{BODY, load_sync, runtime, value};
use crate::report::{DEADLINE, Report, SLACK, millis};
use crate::support::Server;

#[read_through(name = "storm", ttl = 600)]
async fn storm(n: u64) -> u64 {
    tokio::task::yield_now().await;
    value(n)
}

/// A million calls, of which 15 % are dropped somewhere on their way.
pub fn cancel_storm(report: &mut Report) {
    const CALLS: u64 = 1_000_000;
    const CALLERS: u64 = 64;
    static WRONG: AtomicU64 = AtomicU64::new(0);
    static DROPPED: AtomicU64 = AtomicU64::new(0);
    let server = Server::start();
    let cache = server.cache();
    let runtime = runtime();
    let start = Instant::now();
    runtime.block_on(async {
        let callers = (0..CALLERS).map(|_| {
            tokio::spawn(cache.scope(async {
                for _ in 0..CALLS / CALLERS {
                    let n = fastrand::u64(..1000);
                    if fastrand::u8(..100) < 15 {
                        DROPPED.fetch_add(
                            u64::from(!polled(storm(n), fastrand::u8(..6)).await),
                            Relaxed,
                        );
                    } else if storm(n).await != value(n) {
                        WRONG.fetch_add(1, Relaxed);
                    }
                }
            }))
        });
        let callers: Vec<_> = callers.collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
    let took = start.elapsed();
    // A flight or a token that was left behind would keep somebody waiting.
    let start = Instant::now();
    runtime.block_on(cache.scope(async {
        for n in 0..1000 {
            assert_eq!(storm(n).await, value(n));
        }
    }));
    let after = start.elapsed();
    let (wrong, dropped) = (WRONG.load(Relaxed), DROPPED.load(Relaxed));
    let outages = cache.stats().server().outages;
    report.row(
        "18 cancel-storm",
        "0 mismatched values; nothing is left behind",
        &format!(
            "{CALLS} calls in {:.1} s, {dropped} dropped, {wrong} wrong; then 1000 keys in {}; {outages} outages",
            took.as_secs_f64(),
            millis(after)
        ),
        wrong == 0 && dropped > CALLS / 20 && after < Duration::from_secs(2) && outages == 0,
    );
}

/// Polls a call so many times at most. Whether that was enough.
async fn polled(call: impl Future<Output = u64>, times: u8) -> bool {
    let mut call = std::pin::pin!(call);
    for _ in 0..times {
        let once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(call.as_mut().poll(context).is_ready())
        });
        if once.await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
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
