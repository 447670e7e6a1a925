//! Values that JSON cannot hold, or not give back: they are returned, never stored, and told of.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cache_runtime::{Cache, Config, ErrorKind, read_through};
use serde::{Deserialize, Serialize};

use crate::support::{Server, in_own_process, is_own_process};

static BODIES: AtomicU64 = AtomicU64::new(0);

fn body<T>(value: T) -> T {
    BODIES.fetch_add(1, Relaxed);
    value
}

/// What no log may show.
const VALUE: &str = "the-value-itself";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    name: String,
    value: f64,
}

#[read_through(name = "not_a_number", ttl = 60)]
async fn not_a_number() -> f64 {
    body(f64::NAN)
}

#[read_through(name = "infinite", ttl = 60)]
async fn infinite() -> Measured {
    let name = VALUE.to_owned();
    body(Measured {
        name,
        value: f64::INFINITY,
    })
}

#[read_through(name = "pairs", ttl = 60)]
async fn pairs() -> HashMap<(u8, u8), String> {
    body(HashMap::from([((1, 2), VALUE.to_owned())]))
}

#[read_through(name = "some_none", ttl = 60, none = true)]
async fn some_none() -> Option<Option<u8>> {
    body(Some(None))
}

#[read_through(name = "some_unit", ttl = 60, none = true)]
async fn some_unit() -> Result<Option<()>, ()> {
    body(Ok(Some(())))
}

#[read_through(name = "deep", ttl = 60)]
async fn deep() -> serde_json::Value {
    body(nested(200))
}

#[read_through(name = "large", ttl = 60)]
async fn large() -> String {
    body(VALUE.repeat(100_000))
}

fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(VALUE.into(), |inside, _| vec![inside].into())
}

/// Each call runs the body and gets what it returned.
async fn is_returned_and_not_stored<F: Future>(name: &str, cache: &Cache, call: impl Fn() -> F)
where
    F::Output: Debug,
{
    let before = BODIES.load(Relaxed);
    let returned = format!("{:?}", call().await);
    assert_eq!(returned, format!("{:?}", call().await), "{name}");
    assert_eq!(BODIES.load(Relaxed) - before, 2, "{name}");
    let stats = cache.stats();
    let of = stats.function(name).unwrap();
    assert_eq!((of.unstorable, of.stored, of.hits), (2, 0, 0), "{name}");
    assert_eq!((of.unreadable, of.joined), (0, 0), "{name}");
}

const LOSSY: &str =
    "unstorable::a_value_that_would_not_come_back_is_returned_counted_and_told_once";

#[test]
fn a_value_that_would_not_come_back_is_returned_counted_and_told_once() {
    if !is_own_process(LOSSY) {
        let printed = in_own_process(LOSSY, &[]);
        for name in [
            "not_a_number",
            "infinite",
            "pairs",
            "some_none",
            "some_unit",
            "deep",
            "large",
        ] {
            let told = printed.matches(&format!("function=\"{name}\"")).count();
            assert_eq!(told, 1, "{name}: {printed}");
        }
        assert!(!printed.contains(VALUE), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let server = Server::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for cache in [server.patient(), Cache::in_memory()] {
        // The second cache has counters of its own; only the first one's warnings are counted.
        let quiet = tracing::subscriber::NoSubscriber::default();
        let _silent = cache
            .pool()
            .is_none()
            .then(|| tracing::subscriber::set_default(quiet));
        runtime.block_on(cache.scope(async {
            is_returned_and_not_stored("not_a_number", &cache, not_a_number).await;
            assert!(not_a_number().await.is_nan());
            is_returned_and_not_stored("infinite", &cache, infinite).await;
            is_returned_and_not_stored("pairs", &cache, pairs).await;
            is_returned_and_not_stored("some_none", &cache, some_none).await;
            assert_eq!(some_none().await, Some(None));
            is_returned_and_not_stored("some_unit", &cache, some_unit).await;
            is_returned_and_not_stored("deep", &cache, deep).await;
            is_returned_and_not_stored("large", &cache, large).await;
        }));
    }
    assert_eq!(server.keys(), [""; 0]);
}

#[tokio::test]
async fn a_value_put_by_hand_that_would_not_come_back_is_refused() {
    let cache = Cache::in_memory();
    let put = |value| cache.scope(not_a_number::put(value));
    assert_eq!(put(&f64::NAN).await.unwrap_err().kind(), ErrorKind::Encode);
    put(&0.5).await.unwrap();
    assert_eq!(cache.scope(not_a_number()).await, 0.5);
}

#[tokio::test]
async fn a_value_of_just_the_allowed_size_is_stored() {
    #[read_through(name = "sized", key = "size", ttl = 60)]
    async fn sized(size: usize) -> String {
        "x".repeat(size)
    }

    let server = Server::start();
    let cache = Cache::new(Config::new(server.url()).max_value_bytes(1000)).unwrap();
    // Two quotes stand round it.
    for (size, stored) in [(998, 1), (999, 1)] {
        assert_eq!(cache.scope(sized(size)).await.len(), size);
        assert_eq!(cache.stats().function("sized").unwrap().stored, stored);
    }
    assert_eq!(cache.stats().function("sized").unwrap().unstorable, 1);
}

/// The program that wrote it is not this one.
#[tokio::test]
async fn stored_bytes_of_any_depth_are_a_miss_and_are_replaced() {
    #[read_through(name = "tree", ttl = 60)]
    async fn tree() -> serde_json::Value {
        body(nested(3))
    }

    let server = Server::start();
    let cache = server.patient();
    for depth in [129, 60_000] {
        let json = "[".repeat(depth) + &"]".repeat(depth);
        server.cli(&["SET", "cache:tree", &json]);
        let before = BODIES.load(Relaxed);
        for _ in 0..2 {
            assert_eq!(cache.scope(tree()).await, nested(3));
        }
        assert_eq!(BODIES.load(Relaxed) - before, 1, "{depth}");
        assert_eq!(server.cli(&["GET", "cache:tree"]), nested(3).to_string());
    }
    assert_eq!(cache.stats().function("tree").unwrap().unreadable, 2);
}

/// The caller has said that the old value is wrong.
#[tokio::test]
async fn a_refused_put_removes_the_old_value() {
    #[read_through(name = "timed", key = "id", ttl = |value: &f64| *value as u64)]
    async fn timed(id: u64) -> f64 {
        body(id as f64)
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        cache
            .scope(async {
                timed(9).await;
                assert_eq!(timed::peek(9).await.unwrap(), Some(9.0));
                let refused = timed::put(9, &0.0).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Ttl);
                assert_eq!(timed::peek(9).await.unwrap(), None);
                let key = cache_runtime::Key::new("by hand");
                cache.set(key.clone(), &1, None).await.unwrap();
                let zero = Some(std::time::Duration::ZERO);
                let refused = cache.set(key.clone(), &2, zero).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Ttl);
                assert_eq!(cache.get::<u8>(key).await.unwrap(), None);
            })
            .await;
    }
}
