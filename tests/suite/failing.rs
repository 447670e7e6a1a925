//! A store that fails on purpose: what a program can test of itself without a server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, ErrorKind, Faults, Invalidated, Seen, observe, read_through};

static SOURCE: AtomicU64 = AtomicU64::new(0);

/// Waits as briefly as it can, so that hanging costs a test little.
fn impatient() -> Cache {
    let short = Duration::from_millis(2);
    let config = Config::new("memory://");
    Cache::new(config.connect_timeout(short).response_timeout(short)).unwrap()
}

#[tokio::test]
async fn whatever_fails_the_body_answers_and_afterwards_there_are_hits() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let all = [
        Faults::down(),
        Faults::none().hangs(1.0),
        Faults::none().lost_replies(1.0),
        Faults::none().corrupt(1.0),
        Faults::none().delay(Duration::from_secs(60)),
    ];
    for faults in all {
        let told = format!("{faults:?}");
        let cache = impatient().failing(faults);
        let calls = async {
            for _ in 0..2 {
                assert_eq!(square(4).await, 16, "{told}");
            }
            cache.failing(Faults::none());
            square(4).await;
            assert_eq!(observe(square(4)).await, (16, Seen::Stored), "{told}");
        };
        let start = Instant::now();
        cache.scope(calls).await;
        assert!(start.elapsed() < Duration::from_secs(5), "{told}");
    }
}

#[tokio::test]
async fn an_invalidation_that_fails_is_owed_until_the_server_is_back() {
    static BODIES: AtomicU64 = AtomicU64::new(0);

    #[read_through(ttl = 60)]
    async fn bodies(_of: u64) -> u64 {
        BODIES.fetch_add(1, Relaxed)
    }

    let cache = Cache::in_memory();
    let calls = async {
        assert_eq!((bodies(1).await, bodies(1).await), (0, 0));
        for faults in [Faults::down(), Faults::none().lost_replies(1.0)] {
            cache.failing(faults);
            let error = cache.ping().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(bodies::invalidate(1).await.unwrap(), Invalidated::Queued);
            cache.failing(Faults::none());
            cache.ping().await.unwrap();
            assert_eq!(observe(bodies(1)).await.1, Seen::Loaded);
        }
        assert_eq!(bodies(1).await, 2);
    };
    cache.scope(calls).await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_story() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    async fn story(seed: u64) -> Vec<String> {
        let faults = Faults::none().errors(0.2).lost_replies(0.1).corrupt(0.2);
        let cache = Cache::in_memory().failing(faults.seed(seed));
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = told.clone();
        let _listening = cache.on_event(move |event| {
            let line = format!("{:?} {}", event.kind, event.key);
            tell.lock().unwrap().push(line);
        });
        let calls = async {
            for n in 0..100 {
                assert_eq!(square(n % 25).await, (n % 25).pow(2));
            }
        };
        cache.scope(calls).await;
        let told = told.lock().unwrap();
        told.clone()
    }

    let first = story(7).await;
    assert_eq!(first, story(7).await);
    assert_ne!(first, story(8).await);
    let text = first.join("\n");
    for kind in ["Hit", "Unreadable", "Bypassed", "Filled", "Failed"] {
        assert!(text.contains(kind), "no {kind}: {text}");
    }
}

#[tokio::test]
async fn no_call_after_an_invalidation_is_answered_with_an_older_value() {
    #[read_through(ttl = 60)]
    async fn version(_of: u64) -> u64 {
        SOURCE.load(Relaxed)
    }

    let faults = Faults::none().errors(0.1).hangs(0.02).lost_replies(0.1);
    let cache = impatient().failing(faults.corrupt(0.1).seed(11));
    let calls = async {
        for round in 1..300_u64 {
            SOURCE.store(round, Relaxed);
            version::invalidate(1).await.unwrap();
            for _ in 0..3 {
                // A command that goes through makes up for what is owed, whatever its key.
                version(2).await;
                assert_eq!(version(1).await, round);
            }
        }
    };
    cache.scope(calls).await;
    let stats = cache.stats();
    let of = stats.functions().first().unwrap();
    assert!(of.hits > 100 && of.bypassed > 100, "{stats}");
}

#[test]
fn a_sync_function_answers_too() {
    #[read_through(ttl = 60)]
    fn square(n: u64) -> u64 {
        n * n
    }

    let cache = impatient().failing(Faults::none().errors(0.3).hangs(0.1).seed(3));
    let _inside = cache.enter();
    for n in 0..40 {
        assert_eq!(square(n % 3), (n % 3).pow(2));
    }
    let stats = cache.stats();
    let of = stats.functions().first().unwrap();
    assert!(of.hits > 0 && of.bypassed > 0, "{stats}");
}

#[test]
#[should_panic(expected = "`failing` is for a cache in memory")]
fn a_server_does_not_fail_as_told() {
    let _ = Cache::open("redis://127.0.0.1:1")
        .unwrap()
        .failing(Faults::down());
}
