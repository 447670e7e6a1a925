//! Corners where a promise is easily lost: callers that leave, sources that say no, servers that
//! refuse a single thing.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, ErrorKind, Invalidated, Seen, observe, read_through};
use futures_util::future::join_all;

use crate::proxy::{Proxy, refusing};
use crate::support::Server;

static VALUE: AtomicU64 = AtomicU64::new(0);

#[test]
fn many_sync_calls_in_one_task_do_not_use_up_its_budget() {
    #[read_through(ttl = 60)]
    fn square(n: u64) -> u64 {
        n * n
    }

    const CALLS: u64 = 400;
    let server = Server::start();
    for builder in [
        tokio::runtime::Builder::new_current_thread,
        tokio::runtime::Builder::new_multi_thread,
    ] {
        let cache = server.cache();
        let (called, calls) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = builder().enable_all().build().unwrap();
            let work = cache.clone().scope(async move {
                for n in 0..CALLS {
                    square(n % 3);
                    cache.blocking().ping().unwrap();
                    called.send(n).unwrap();
                }
            });
            runtime.block_on(async { tokio::spawn(work).await.unwrap() });
        });
        for n in 0..CALLS {
            assert_eq!(
                calls.recv_timeout(Duration::from_secs(10)),
                Ok(n),
                "it hangs"
            );
        }
    }
}

#[tokio::test]
async fn a_refresh_whose_value_is_not_stored_takes_the_old_one_away() {
    #[read_through(name = "absent", key = (), ttl = 60)]
    async fn absent() -> Option<u64> {
        Some(VALUE.load(SeqCst)).filter(|value| *value != 0)
    }
    #[read_through(name = "refused", key = (), ttl = 60, store_if = |value: &u64| *value != 0)]
    async fn refused() -> u64 {
        VALUE.load(SeqCst)
    }
    #[read_through(name = "large", key = (), ttl = 60)]
    async fn large() -> String {
        "x".repeat(if VALUE.load(SeqCst) == 0 { 2 << 20 } else { 1 })
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        VALUE.store(1, SeqCst);
        cache
            .scope(async {
                assert_eq!((absent().await, refused().await), (Some(1), 1));
                assert_eq!(large().await.len(), 1);
                VALUE.store(0, SeqCst);
                assert_eq!(absent::refresh().await, None);
                assert_eq!(refused::refresh().await, 0);
                assert_eq!(large::refresh().await.len(), 2 << 20);
                assert_eq!(absent::peek().await.unwrap(), None);
                assert_eq!(refused::peek().await.unwrap(), None);
                assert_eq!(large::peek().await.unwrap(), None);
            })
            .await;
    }
}

#[tokio::test]
async fn without_a_lease_a_busy_key_is_still_hit() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60, lease = false)]
    async fn load() -> u64 {
        BODIES.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        7
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        BODIES.store(0, SeqCst);
        let callers = (0..300).map(|caller| {
            let call = cache.scope(load());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(caller)).await;
                call.await
            })
        });
        for answer in join_all(callers).await {
            assert_eq!(answer.unwrap(), 7);
        }
        let bodies = BODIES.load(SeqCst);
        assert!(bodies <= 3, "{bodies} bodies");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_while_its_lease_is_on_the_way_locks_nothing() {
    #[read_through(ttl = 60)]
    async fn load(n: u64) -> u64 {
        n
    }

    fn takes_its_time(words: &[String]) -> bool {
        if words[2] == "SET" {
            std::thread::sleep(Duration::from_millis(150));
        }
        false
    }

    let server = Server::start();
    let port = refusing(server.port(), takes_its_time);
    let url = server
        .url()
        .replace(&server.port().to_string(), &port.to_string());
    let config = Config::new(url).response_timeout(Duration::from_secs(1));
    let cache = Cache::new(config).unwrap();
    cache.ping().await.unwrap();
    let left = tokio::time::timeout(Duration::from_millis(50), cache.scope(load(1))).await;
    assert!(left.is_err());
    let start = Instant::now();
    cache.scope(load(1)).await;
    // A lease is three seconds.
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn an_owed_invalidation_that_is_refused_keeps_the_cache_from_nothing_else() {
    #[read_through(name = "load", ttl = 60)]
    async fn load(n: u64) -> u64 {
        n
    }

    let folder = std::env::temp_dir().join(format!("cache-acl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("users.acl");
    std::fs::write(
        &file,
        "user default on nopass ~* +@all\nuser app on >pass ~cache:* +@all\n",
    )
    .unwrap();
    let mut server = Server::start_with(&["--aclfile", file.to_str().unwrap()]);
    let url = server.url().replace("redis://", "redis://app:pass@");
    let cache = Cache::open(&url).unwrap();
    cache.ping().await.unwrap();
    server.kill();
    assert_eq!(
        cache.invalidate("foreign").await.unwrap(),
        Invalidated::Queued
    );
    server.restart();
    cache.ping().await.unwrap();
    cache.scope(async { load(1).await + load(1).await }).await;
    assert_eq!(cache.stats().function("load").unwrap().hits, 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_error_does_not_quote_the_value_that_a_server_refused() {
    let server = Server::start_with(&["--rename-command", "SETEX", ""]);
    let cache = server.cache();
    let secret = "the-secret-value";
    let error = cache
        .set("key", secret, Some(Duration::from_secs(5)))
        .await
        .unwrap_err();
    let mut told = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        told += &format!(" {error} {error:?}");
        cause = error.source();
    }
    assert!(!told.contains("secret"), "{told}");
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn the_key_of_a_function_is_its_key_also_without_a_prefix() {
    #[read_through(ttl = 60)]
    async fn load(n: u64) -> u64 {
        n
    }

    let server = Server::start();
    let in_memory = cache_runtime::Config::new("memory://");
    for config in [server.config(), in_memory] {
        let cache = Cache::new(config.prefix("")).unwrap();
        cache
            .scope(async {
                load(1).await;
                let removed = cache.invalidate(load::key(1)).await.unwrap();
                assert_eq!(removed, Invalidated::Removed);
            })
            .await;
    }
}

#[tokio::test]
async fn a_listener_may_make_calls_of_its_own() {
    #[read_through(name = "load", ttl = 60)]
    async fn load(n: u64) -> Result<u64, ()> {
        if n == 0 { Err(()) } else { Ok(n) }
    }

    let server = Server::start();
    let cache = server.cache();
    let (told, tells) = mpsc::channel();
    let inside = cache.clone();
    let _listening = cache.on_event(move |event| {
        if event.kind == cache_runtime::EventKind::Released {
            let answer = inside.blocking().get::<u64>("another");
            told.send(answer.is_ok()).unwrap();
        }
    });
    assert!(cache.scope(load(0)).await.is_err());
    let answered = tokio::task::spawn_blocking(move || tells.recv_timeout(Duration::from_secs(5)));
    assert_eq!(answered.await.unwrap(), Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_replaced_also_if_no_caller_waits_for_its_deadline() {
    #[read_through(ttl = 60)]
    async fn load(n: u64) -> u64 {
        n
    }

    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let cache = Cache::open(&proxy.url()).unwrap();
    cache.scope(load(1)).await;
    // Connections that are open now are swallowed from here on; new ones work.
    proxy.swallow();
    let mut late = 0;
    for _ in 0..60 {
        let call = cache.scope(load(1));
        let answer = tokio::time::timeout(Duration::from_millis(20), call).await;
        late += u32::from(answer.is_err());
    }
    assert!(late < 20, "{late} of 60 calls were late");
}

#[tokio::test]
async fn a_time_longer_than_a_server_can_count_is_as_long_as_it_can() {
    #[read_through(key = "id", ttl = |_: &u64| Duration::MAX, lease = "365000d")]
    async fn for_ever(id: u64) -> u64 {
        id
    }

    let server = Server::start();
    let cache = server.cache();
    cache.set("by-hand", &1, Some(Duration::MAX)).await.unwrap();
    for seen in [Seen::Loaded, Seen::Stored] {
        assert_eq!(cache.scope(observe(for_ever(1))).await, (1, seen));
    }
    let keys = server.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let years = server.cli(&["TTL", &key]).parse::<u64>().unwrap() / (365 * 24 * 60 * 60);
        assert!(years >= 999, "{key}: {years}");
    }
}
