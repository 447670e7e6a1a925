//! Servers that know no script yet, forbid them, or are older.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cache_runtime::{Cache, read_through};

use crate::proxy::refusing;
use crate::support::{Server, in_own_process, is_own_process};

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "load", ttl = 60)]
async fn load(key: u64) -> Result<u64, ()> {
    BODIES.fetch_add(1, Relaxed);
    if key == 0 { Err(()) } else { Ok(key) }
}

/// A miss, a hit, an error, a forgotten value, one put, one refreshed, junk replaced.
async fn goes_through_everything() {
    assert_eq!(load(7).await, Ok(7));
    assert_eq!(load(7).await, Ok(7));
    assert_eq!(load(0).await, Err(()));
    load::invalidate(7).await.unwrap();
    assert_eq!(load(7).await, Ok(7));
    load::put(7, &8_u64).await.unwrap();
    assert_eq!(load(7).await, Ok(8));
    assert_eq!(load::refresh(7).await, Ok(7));
    assert_eq!(load(7).await, Ok(7));
    let cache = Cache::current().unwrap();
    cache.set(load::key(7), "junk", None).await.unwrap();
    assert_eq!(load(7).await, Ok(7));
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = Server::start();
    let cache = server.patient();
    for _ in 0..2 {
        cache.scope(goes_through_everything()).await;
        server.cli(&["SCRIPT", "FLUSH"]);
        server.cli(&["FLUSHALL"]);
    }
    let stats = cache.stats();
    let of = stats.function("load").unwrap();
    assert_eq!((of.stored, of.bypassed, of.store_failed), (8, 0, 0));
}

#[tokio::test]
async fn a_server_without_set_nx_get_leases_by_a_script() {
    fn refuses(words: &[String]) -> bool {
        let has = |word: &str| words.iter().any(|of| of == word);
        has("SET") && has("NX") && has("GET")
    }
    let server = Server::start();
    let port = refusing(server.port(), refuses);
    let cache = Cache::open(&format!("redis://127.0.0.1:{port}")).unwrap();
    cache.scope(goes_through_everything()).await;
    let stats = cache.stats();
    let of = stats.function("load").unwrap();
    assert_eq!((of.stored, of.bypassed, of.store_failed), (4, 0, 0));
    let calls = server.cli(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_evalsha"), "{calls}");
}

/// A server that lets its user do everything but this.
fn forbidding(rights: &[&str]) -> (Server, String) {
    let server = Server::start();
    let user = ["ACL", "SETUSER", "plain", "on", ">secret", "~*", "+@all"];
    assert_eq!(server.cli(&[&user[..], rights].concat()), "OK");
    let url = server
        .url_of_default()
        .replace("redis://", "redis://plain:secret@");
    (server, url)
}

#[tokio::test]
async fn where_scripts_are_forbidden_values_are_stored_by_transactions() {
    let (server, url) = forbidding(&["-eval", "-evalsha"]);
    let cache = Cache::open(&url).unwrap();
    cache.scope(goes_through_everything()).await;
    let stats = cache.stats();
    let of = stats.function("load").unwrap();
    assert_eq!((of.stored, of.bypassed, of.store_failed), (4, 0, 0));
    let calls = server.cli(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_exec"), "{calls}");
}

#[tokio::test]
async fn an_older_server_that_forbids_scripts_leases_by_transactions() {
    fn refuses(words: &[String]) -> bool {
        let has = |word: &str| words.iter().any(|of| of == word);
        has_if_equal(words) || (has("SET") && has("NX") && has("GET"))
    }
    let (server, url) = forbidding(&["-eval", "-evalsha"]);
    let port = refusing(server.port(), refuses).to_string();
    let url = url.replace(&server.port().to_string(), &port);
    let cache = Cache::open(&url).unwrap();
    cache.scope(goes_through_everything()).await;
    let stats = cache.stats();
    let of = stats.function("load").unwrap();
    assert_eq!((of.stored, of.bypassed, of.store_failed), (4, 0, 0));
}

/// For a server before Redis 8.4.
fn has_if_equal(words: &[String]) -> bool {
    words.iter().any(|of| of == "IFEQ")
}

const FORBIDDEN: &str =
    "scripts::where_transactions_are_forbidden_too_one_warning_says_what_is_lost";

#[test]
fn where_transactions_are_forbidden_too_one_warning_says_what_is_lost() {
    if is_own_process(FORBIDDEN) {
        tracing_subscriber::fmt().with_ansi(false).init();
        let cache = Cache::open(&std::env::var("URL").unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(cache.scope(async {
            goes_through_everything().await;
            BODIES.store(0, Relaxed);
            load(7).await.unwrap();
            assert_eq!(BODIES.load(Relaxed), 0);
        }));
    }
    for right in ["-watch", "-multi", "-exec", "-@transaction"] {
        let (server, url) = forbidding(&["-eval", "-evalsha", right]);
        let port = refusing(server.port(), has_if_equal).to_string();
        let url = url.replace(&server.port().to_string(), &port);
        let printed = in_own_process(FORBIDDEN, &[("URL", &url)]);
        assert_eq!(printed.matches("WARN").count(), 1, "{right}: {printed}");
        assert!(printed.contains("there are no leases"), "{printed}");
        assert!(!printed.contains("secret"), "{printed}");
    }
}
