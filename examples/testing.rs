//! How a program tests its cached functions: each test with a cache of its own, time to live without
//! sleeping, and a Redis that fails. `cargo test --features testing --example testing`
//! As a program it shows how one function is answered under each fault:
//! `cargo run --features testing --example testing`
use std::time::Duration;

use cache_runtime::{Cache, Faults, observe, read_through};

/// What a call costs in cents, from far away.
#[read_through(key = "country", ttl = "1h")]
async fn tariff(country: &str) -> Result<u64, String> {
    match country {
        "de" | "fr" => Ok(9),
        _ => Err(format!("no tariff for {country}")),
    }
}

#[tokio::main]
async fn main() {
    let cache = Cache::in_memory();
    for (name, faults) in [
        ("well", Faults::none()),
        ("down", Faults::down()),
        ("silent", Faults::none().hangs(1.0)),
        ("answers get lost", Faults::none().lost_replies(1.0)),
        ("stores junk", Faults::none().corrupt(1.0)),
        ("slow", Faults::none().delay(Duration::from_millis(20))),
        ("well again", Faults::none()),
    ] {
        cache.failing(faults);
        let start = std::time::Instant::now();
        let (cents, seen) = cache.scope(observe(tariff("de"))).await;
        println!("{name:17} {cents:?} {seen:?} in {:.1?}", start.elapsed());
    }
    println!("\n{}", cache.stats());
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use cache_runtime::{Invalidated, Seen};

    use super::*;

    // Inside `scope` nothing is shared with other tests, also if they run at the same time.
    #[tokio::test]
    async fn a_tariff_is_asked_for_once() {
        let calls = async {
            assert_eq!(observe(tariff("de")).await, (Ok(9), Seen::Loaded));
            assert_eq!(observe(tariff("de")).await, (Ok(9), Seen::Stored));
            assert_eq!(observe(tariff("fr")).await, (Ok(9), Seen::Loaded));
        };
        Cache::in_memory().scope(calls).await;
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let calls = async {
            for _ in 0..2 {
                let (answer, seen) = observe(tariff("xx")).await;
                assert_eq!((answer.is_err(), seen), (true, Seen::Loaded));
            }
        };
        Cache::in_memory().scope(calls).await;
    }

    // An hour passes at once.
    #[tokio::test]
    async fn a_tariff_is_asked_for_again_after_an_hour() {
        let cache = Cache::in_memory();
        let calls = async {
            tariff("de").await.unwrap();
            cache.advance(Duration::from_secs(3599));
            assert_eq!(observe(tariff("de")).await.1, Seen::Stored);
            cache.advance(Duration::from_secs(1));
            assert_eq!(observe(tariff("de")).await.1, Seen::Loaded);
        };
        cache.scope(calls).await;
    }

    #[tokio::test]
    async fn an_outage_of_redis_is_none_of_ours() {
        let cache = Cache::in_memory().failing(Faults::down());
        let calls = async {
            assert_eq!(tariff("de").await, Ok(9));
            assert_eq!(tariff::invalidate("de").await.unwrap(), Invalidated::Queued);
            cache.failing(Faults::none());
            assert_eq!(observe(tariff("de")).await, (Ok(9), Seen::Loaded));
        };
        cache.scope(calls).await;
    }

    // The same faults on each run.
    #[tokio::test]
    async fn a_flaky_redis_changes_no_answer() {
        let faults = Faults::none().errors(0.3).lost_replies(0.1).corrupt(0.2);
        let cache = Cache::in_memory().failing(faults.seed(42));
        let calls = async {
            for _ in 0..100 {
                assert_eq!(tariff("de").await, Ok(9));
            }
        };
        cache.scope(calls).await;
        assert!(cache.stats().functions()[0].hits > 10);
    }

    // Sync code has a guard in the place of `scope`.
    #[test]
    fn a_sync_function_is_tested_in_the_same_way() {
        thread_local!(static RUNS: Cell<u32> = const { Cell::new(0) });

        #[read_through(ttl = 60)]
        fn square(n: u32) -> u32 {
            RUNS.set(RUNS.get() + 1);
            n * n
        }

        let cache = Cache::in_memory();
        let _inside = cache.enter();
        assert_eq!((square(4), square(4), RUNS.get()), (16, 16, 1));
    }
}
