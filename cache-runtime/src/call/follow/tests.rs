//! Who waits for the load of another is late by one deadline, and not by that one's as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_macro::read_through;

use crate::config::Config;
use crate::{Cache, Faults};

/// Long, so that what a busy machine adds is little beside it.
const DEADLINE: Duration = Duration::from_secs(1);
const CALLERS: u64 = 20;

/// Whether each of many calls, which used up most of its deadline by its own read and then met who leads,
/// returned in time. The leader begins after a while, with a quick read, and then `verb` is not answered.
async fn return_in_time<F>(call: fn() -> F, leader_begins: Duration, verb: &'static str)
where
    F: Future<Output: Send> + Send + 'static,
{
    let config = Config::new("memory://").connect_timeout(Duration::from_millis(1));
    let cache = Cache::new(config.response_timeout(DEADLINE)).unwrap();
    let slow = Faults::none().delay(DEADLINE * 8 / 10);
    cache.failing(Faults::none().at("get", slow));
    let begun = Arc::<AtomicU64>::default();
    let followers = (0..CALLERS).map(|_| {
        let begun = begun.clone();
        tokio::spawn(cache.scope(async move {
            begun.fetch_add(1, Relaxed);
            let began = Instant::now();
            call().await;
            began.elapsed()
        }))
    });
    let followers: Vec<_> = followers.collect();
    let leader_begins = Instant::now() + leader_begins;
    while begun.load(Relaxed) < CALLERS {
        tokio::task::yield_now().await;
    }
    cache.failing(Faults::none().at(verb, Faults::none().hangs(1.0)));
    tokio::time::sleep_until(leader_begins.into()).await;
    let leader = tokio::spawn(cache.scope(call()));
    for follower in followers {
        let took = follower.await.unwrap();
        assert!(took < DEADLINE * 15 / 10, "{verb}: {took:?}");
    }
    leader.await.unwrap();
}

#[tokio::test]
async fn a_body_begins_when_the_time_of_the_first_who_waits_for_it_is_over() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "led", key = (), crate = crate, ttl = 60, cache_unit)]
    async fn led() {
        BODIES.fetch_add(1, Relaxed);
    }

    return_in_time(led, DEADLINE * 7 / 10, "lease").await;
    assert_eq!(BODIES.load(Relaxed), 1, "the others wait for that one");
}

/// They came too late for what the body returned, and would wait until it is stored.
#[tokio::test]
async fn what_is_not_stored_in_time_is_loaded_again_by_one_for_all() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "stored", key = (), crate = crate, ttl = 60, cache_unit)]
    async fn stored() {
        if BODIES.fetch_add(1, Relaxed) == 0 {
            tokio::time::sleep(DEADLINE * 8 / 10).await;
        }
    }

    return_in_time(stored, DEADLINE / 10, "fill").await;
    assert_eq!(BODIES.load(Relaxed), 2);
}

#[tokio::test]
async fn who_waits_for_a_body_that_fails_does_not_wait_until_its_lease_is_given_back() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "failed", key = (), crate = crate, ttl = 60, cache_unit)]
    async fn failed() -> Result<(), ()> {
        if BODIES.fetch_add(1, Relaxed) == 0 {
            tokio::time::sleep(DEADLINE * 8 / 10).await;
            return Err(());
        }
        Ok(())
    }

    return_in_time(failed, DEADLINE / 10, "release").await;
    assert_eq!(BODIES.load(Relaxed), 2);
}
