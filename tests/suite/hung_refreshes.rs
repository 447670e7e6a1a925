//! A source that hangs keeps no other value from being refreshed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, Seen, blocking, observe, read_through};

use crate::support::{Server, runtime};

/// Held for as long as the sync source hangs.
static SOURCE: Mutex<()> = Mutex::new(());

#[read_through(name = "hangs", ttl = "1h", stale = "1h", follow = "200ms")]
async fn hangs(n: u64) -> u64 {
    std::future::pending::<()>().await;
    n
}

#[read_through(name = "blocks", ttl = "1h", stale = "1h", follow = "200ms")]
fn blocks(n: u64) -> u64 {
    drop(SOURCE.lock().unwrap_or_else(PoisonError::into_inner));
    n
}

#[read_through(name = "answers", ttl = "1h", stale = "1h")]
async fn answers(n: u64) -> u64 {
    n
}

/// Two sources hang and have all of the permits. The third is refreshed all the same.
async fn is_refreshed(cache: &Cache) {
    let stale = Some(Duration::from_secs(1800));
    for key in [hangs::key(1), blocks::key(1), answers::key(1)] {
        cache.set(key, &7, stale).await.unwrap();
    }
    assert_eq!(observe(hangs(1)).await, (7, Seen::Stale));
    assert_eq!(blocking::observe(|| blocks(1)), (7, Seen::Stale));
    let start = Instant::now();
    while observe(answers(1)).await != (1, Seen::Stored) {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{}",
            cache.stats()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn hung_refreshes_keep_no_other_from_running() {
    let server = Server::start();
    for url in ["memory://", &server.url()] {
        let patient = Duration::from_secs(10);
        let config = Config::new(url).connect_timeout(patient);
        let config = config.response_timeout(patient).max_refreshes(2);
        let cache = Cache::new(config).unwrap();
        let runtime = runtime();
        let hangs = SOURCE.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.block_on(cache.scope(is_refreshed(&cache)));
        // The runtime waits for its blocked thread.
        drop(hangs);
    }
}
