//! A miss runs the body and stores its value; a hit does not run it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::{Cache, Invalidated, Key, read_through};
use serde::{Deserialize, Serialize};

use crate::support::{Monitor, Server};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct User {
    id: u64,
    name: String,
}

#[tokio::test]
async fn the_second_call_is_answered_by_redis() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[read_through(key = "user_id", ttl = 60)]
    async fn load_user(user_id: u64) -> Result<User, std::io::Error> {
        RUNS.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        let name = format!("user {user_id}");
        Ok(User { id: user_id, name })
    }

    let server = Server::start();
    let cache = server.patient();
    cache
        .scope(async {
            let first = load_user(7).await.unwrap();
            let second = load_user(7).await.unwrap();
            assert_eq!(first, second);
            assert_eq!(RUNS.load(Relaxed), 1);
            load_user(8).await.unwrap();
            assert_eq!(RUNS.load(Relaxed), 2);
        })
        .await;
    let stats = cache.stats();
    let of = &stats.functions()[0];
    assert_eq!((of.hits, of.misses, of.stored, of.bypassed), (1, 2, 2, 0));
    assert!(stats.to_string().contains(&of.name));
}

#[tokio::test]
async fn what_redis_holds_is_plain_json_under_a_readable_key() {
    #[read_through(name = "users", key = "tenant, user_id", ttl = 60)]
    async fn with_ttl(tenant: &str, user_id: u64) -> User {
        let name = tenant.to_owned();
        User { id: user_id, name }
    }
    #[read_through(name = "forever")]
    async fn without_ttl(n: u8) -> Vec<u8> {
        vec![n]
    }
    #[read_through(name = "short", ttl = "1500ms")]
    async fn in_millis(n: u8) -> u8 {
        n
    }

    let server = Server::start();
    let cache = Cache::new(server.config().prefix("shop")).unwrap();
    cache
        .scope(async {
            with_ttl("a:b", 7).await;
            without_ttl(3).await;
            in_millis(4).await;
            let key = with_ttl::key("a:b", 7);
            assert_eq!(key, "shop:users:a%3Ab:7");
            assert_eq!(server.cli(&["GET", &key]), r#"{"id":7,"name":"a:b"}"#);
            let ttl: i64 = server.cli(&["TTL", &key]).parse().unwrap();
            assert!((1..=60).contains(&ttl), "{ttl}");
        })
        .await;
    assert_eq!(server.cli(&["GET", "shop:forever:3"]), "[3]");
    assert_eq!(server.cli(&["TTL", "shop:forever:3"]), "-1");
    let pttl: i64 = server.cli(&["PTTL", "shop:short:4"]).parse().unwrap();
    assert!((1..=1500).contains(&pttl), "{pttl}");
}

#[tokio::test]
async fn a_value_is_stored_by_setex_with_a_ttl_and_by_set_without() {
    #[read_through(ttl = 60)]
    async fn with_ttl() -> u8 {
        1
    }
    #[read_through]
    async fn without_ttl() -> u8 {
        1
    }

    let server = Server::start();
    let monitor = Monitor::of(&server);
    server
        .patient()
        .scope(async {
            with_ttl().await;
            without_ttl().await;
        })
        .await;
    let stored = monitor.all(&server);
    let count = |command: &str| {
        stored
            .iter()
            .filter(|sent| sent.command.contains(command))
            .count()
    };
    let with_ttl = match server.runs_scripts() || !server.sets_if_equal() {
        true => format!("\"SETEX\" \"{}\" \"60\" \"1\"", with_ttl::key()),
        false => format!("\"SET\" \"{}\" \"1\" \"IFEQ\"", with_ttl::key()),
    };
    let without_ttl = format!("\"SET\" \"{}\" \"1\"", without_ttl::key());
    assert_eq!(
        (count(&with_ttl), count(&without_ttl)),
        (1, 1),
        "{stored:#?}"
    );
    assert_eq!(server.cli(&["TTL", &without_ttl::key()]), "-1");
}

/// The same on a server and in memory.
async fn on_each_store(test: impl AsyncFn(&Cache)) {
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        cache.scope(test(&cache)).await;
    }
}

#[tokio::test]
async fn the_companion_reads_writes_and_forgets_what_the_function_stored() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[read_through(key = "name", ttl = 60)]
    async fn length(name: String, unused: &[u8]) -> Result<usize, std::io::Error> {
        RUNS.fetch_add(1, Relaxed);
        Ok(name.len() + unused.len())
    }

    on_each_store(async |_| {
        RUNS.store(0, Relaxed);
        assert_eq!(length::peek("bob").await.unwrap(), None);
        assert_eq!(
            length::invalidate("bob").await.unwrap(),
            Invalidated::Absent
        );
        assert_eq!(length("bob".to_owned(), b"!").await.unwrap(), 4);
        assert_eq!(length::peek("bob").await.unwrap(), Some(4));
        length::put("bob", &9_usize).await.unwrap();
        assert_eq!(length("bob".to_owned(), b"!").await.unwrap(), 9);
        assert_eq!(length::refresh("bob".to_owned(), b"!!").await.unwrap(), 5);
        assert_eq!(length::peek("bob").await.unwrap(), Some(5));
        assert_eq!(length::uncached("bob".to_owned(), b"").await.unwrap(), 3);
        assert_eq!(length::peek("bob").await.unwrap(), Some(5));
        assert_eq!(RUNS.load(Relaxed), 3);
        let name = "bob".to_owned();
        assert_eq!(
            length::invalidate(&name).await.unwrap(),
            Invalidated::Removed
        );
        length("bob".to_owned(), b"!").await.unwrap();
        assert_eq!(RUNS.load(Relaxed), 4);
    })
    .await;
}

#[tokio::test]
async fn the_verbs_by_hand_meet_the_functions_own_keys() {
    #[read_through(name = "square", ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    on_each_store(async |cache| {
        square(4).await;
        let key = Key::new("square").part(&4_u64);
        assert_eq!(cache.get::<u64>(&key).await.unwrap(), Some(16));
        assert_eq!(cache.get::<u64>("cache:square:4").await.unwrap(), Some(16));
        cache.set(&key, &17_u64, None).await.unwrap();
        assert_eq!(square(4).await, 17);
        let invalidated = cache.invalidate("cache:square:4").await.unwrap();
        assert_eq!(invalidated, Invalidated::Removed);
        assert_eq!(square(4).await, 16);
        let error = cache.get::<String>(&key).await.unwrap_err();
        assert_eq!(error.kind(), cache_runtime::ErrorKind::Decode);
        let error = cache.set(&key, &1, Some(Duration::ZERO)).await.unwrap_err();
        assert_eq!(error.kind(), cache_runtime::ErrorKind::Ttl);
    })
    .await;
}

#[tokio::test]
async fn many_values_are_peeked_in_one_round_trip() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let server = Server::start();
    server
        .patient()
        .scope(async {
            square(2).await;
            square(4).await;
            server.cli(&["CONFIG", "RESETSTAT"]);
            let peeked = square::peek_many([2, 3, 4]).await.unwrap();
            assert_eq!(peeked, [Some(4), None, Some(16)]);
            assert_eq!(square::peek_many([0_u64; 0]).await.unwrap(), []);
            let calls = server.cli(&["INFO", "commandstats"]);
            assert!(calls.contains("cmdstat_mget:calls=1"), "{calls}");
        })
        .await;
}

#[tokio::test]
async fn expiry_in_memory_is_tested_by_moving_its_clock() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[read_through(ttl = "1h")]
    async fn run() -> u32 {
        RUNS.fetch_add(1, Relaxed)
    }

    let cache = Cache::in_memory();
    cache
        .scope(async {
            run().await;
            cache.advance(Duration::from_secs(3599));
            assert_eq!(run().await, 0);
            cache.advance(Duration::from_secs(1));
            assert_eq!(run().await, 1);
        })
        .await;
}

#[tokio::test]
async fn a_value_or_a_key_too_large_is_returned_and_not_stored() {
    #[read_through(name = "text", key = "bytes", ttl = 60)]
    async fn text(bytes: usize) -> String {
        "x".repeat(bytes)
    }
    #[read_through(name = "echo", ttl = 60)]
    async fn echo(text: &str) -> usize {
        text.len()
    }

    on_each_store(async |cache| {
        text(1 << 20).await;
        assert_eq!(text::peek(1_usize << 20).await.unwrap(), None);
        text((1 << 20) - 2).await;
        assert!(text::peek((1_usize << 20) - 2).await.unwrap().is_some());
        assert_eq!(echo(&"x".repeat(4096)).await, 4096);
        let error = echo::peek(&"x".repeat(4096)).await.unwrap_err();
        assert_eq!(error.kind(), cache_runtime::ErrorKind::TooLarge);
        let stats = cache.stats();
        assert_eq!(stats.function("text").unwrap().unstorable, 1);
        assert_eq!(stats.function("echo").unwrap().bypassed, 1);
    })
    .await;
}

#[tokio::test]
async fn after_shutdown_functions_run_their_bodies() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[read_through(ttl = 60)]
    async fn run() -> u32 {
        RUNS.fetch_add(1, Relaxed)
    }

    on_each_store(async |cache| {
        RUNS.store(0, Relaxed);
        run().await;
        cache.shutdown().await;
        assert_eq!(run().await, 1);
        assert_eq!(
            cache.ping().await.unwrap_err().kind(),
            cache_runtime::ErrorKind::Closed
        );
    })
    .await;
}

#[tokio::test]
async fn the_pool_is_there_for_commands_of_ones_own() {
    let server = Server::start();
    let cache = server.patient();
    let pool = cache.pool().unwrap();
    assert_eq!(
        pool.status().size,
        0,
        "nothing connects before it is asked to"
    );
    let mut connection = pool.get().await.unwrap();
    let () = redis::cmd("SET")
        .arg(&["own", "1"])
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(cache.get::<u8>("own").await.unwrap(), Some(1));
    assert!(Cache::in_memory().pool().is_none());
}
