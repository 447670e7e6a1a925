//! `stale` on every shape: the old value is served, and the new one comes without its caller.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use cache_runtime::{Cache, CacheKey, Seen, blocking, observe, read_through};

/// Another value each time.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// The stale value is served, and soon there is a new one that this call did not wait for.
async fn is_refreshed_behind(call: impl AsyncFn() -> (u64, Seen)) {
    let cache = Cache::in_memory();
    let story = async {
        let (old, seen) = call().await;
        assert_eq!(seen, Seen::Loaded);
        cache.advance(Duration::from_secs(61));
        assert_eq!(call().await, (old, Seen::Stale));
        let new = loop {
            match call().await {
                (value, Seen::Stale) => assert_eq!(value, old),
                new => break new,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert_ne!(new.0, old);
        assert_eq!(new.1, Seen::Stored);
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), cache.scope(story)).await;
    in_time.expect("the refresh comes to an end");
}

macro_rules! refreshed {
    (async { $($shape:ident: $call:expr;)* } sync { $($sync_shape:ident: $sync:expr;)* }) => {
        mod of_async {
            use super::*;
            $(
                #[tokio::test]
                async fn $shape() {
                    is_refreshed_behind(async || observe($call).await).await;
                }
            )*
        }
        mod of_sync {
            use super::*;
            $(
                #[tokio::test]
                async fn $sync_shape() {
                    is_refreshed_behind(async || blocking::observe(|| $sync)).await;
                }
            )*
        }
    };
}

refreshed! {
    async {
        a_free_function: free(7, "a", &[1]);
        without_companion: alone("a");
        generics: generic(7_u8, &String::new());
        an_impl_trait_argument: opaque(7, &String::new());
        moved_arguments: moved(7, vec![1], (1, 2));
        a_ttl_over_the_arguments: timed(7, "60");
        arguments_named_as_keywords: r#match(7, "a");
        a_shared_self: Arc::new(Repo(1)).shared(7);
        an_owned_self: Repo(1).owned(7);
        a_borrowed_self: Repo(1).borrowed(7, "a");
        a_body_with_its_own_self: Repo(1).with_items(7);
        a_boxed_future: Repo(1).boxed(7);
        a_trait_implementation: Load::load(&Repo(1), 7);
        a_default_method: Repo(1).load_by_default(7);
        an_async_trait: Boxed::get(&Repo(1), 7, "a");
        a_trait_object: object().get(7, "a");
    }
    sync {
        a_free_function: free_sync(7, "a", &[1]);
        without_companion: alone_sync("a");
        generics: generic_sync(7_u8, &String::new());
        arguments_named_as_keywords: r#loop(7, "a");
        a_shared_self: Arc::new(Repo(1)).shared_sync(7);
        an_owned_self: Repo(1).owned_sync(7);
        a_borrowed_self: Repo(1).borrowed_sync(7, "a");
        a_trait_implementation: Repo(1).load_sync(7);
        a_default_method: Repo(1).load_sync_by_default(7);
    }
}

#[read_through(key = "id, name", ttl = 60, stale = "5m")]
async fn free(id: u64, name: &str, ids: &[u64]) -> u64 {
    tokio::task::yield_now().await;
    assert_eq!((id, name, ids), (7, "a", &[1][..]));
    fresh()
}

#[read_through(key = "id, name", ttl = 60, stale = "5m")]
fn free_sync(id: u64, name: &str, ids: &[u64]) -> u64 {
    assert_eq!((id, name, ids), (7, "a", &[1][..]));
    fresh()
}

#[read_through(ttl = 60, stale = "5m", companion = false)]
async fn alone(name: &str) -> u64 {
    assert_eq!(name, "a");
    fresh()
}

#[read_through(ttl = 60, stale = "5m", companion = false)]
fn alone_sync(name: &str) -> u64 {
    assert_eq!(name, "a");
    fresh()
}

#[read_through(key = "id", ttl = 60, stale = "5m")]
async fn generic<K, T>(id: K, more: &T) -> u64
where
    K: CacheKey + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    let _ = (id, more);
    fresh()
}

#[read_through(key = "id", ttl = 60, stale = "5m")]
fn generic_sync<K, T>(id: K, more: &T) -> u64
where
    K: CacheKey + Send + 'static,
    T: Clone + Send + 'static,
{
    let _ = (id, more);
    fresh()
}

#[read_through(key = "id", ttl = 60, stale = "5m")]
async fn opaque(id: u64, more: &(impl Clone + Send + Sync + 'static)) -> u64 {
    let _ = more.clone();
    id - 7 + fresh()
}

#[read_through(key = "id, a", ttl = 60, stale = "5m")]
async fn moved(id: u64, mut ids: Vec<u64>, (a, _): (u64, u64)) -> u64 {
    ids.push(id + a);
    assert_eq!(ids, [1, 8]);
    fresh()
}

#[read_through(key = "id", ttl = seconds(ttl), stale = "5m", store_if = |n| *n > id - 7)]
async fn timed(id: u64, ttl: &str) -> u64 {
    assert_eq!((id, ttl), (7, "60"));
    fresh()
}

#[read_through(key = "type", ttl = 60, stale = "5m")]
async fn r#match(r#type: u64, r#ref: &str) -> u64 {
    assert_eq!((r#type, r#ref), (7, "a"));
    fresh()
}

#[read_through(key = "type", ttl = 60, stale = "5m", companion = false)]
fn r#loop(r#type: u64, r#ref: &str) -> u64 {
    assert_eq!((r#type, r#ref), (7, "a"));
    fresh()
}

fn seconds(text: &str) -> u64 {
    text.parse().unwrap()
}

#[derive(Clone)]
struct Repo(u64);

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repo {}", self.0)
    }
}

impl Repo {
    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn shared(self: Arc<Self>, id: u64) -> u64 {
        assert_eq!((self.0, id), (1, 7));
        fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    fn shared_sync(self: Arc<Self>, id: u64) -> u64 {
        assert_eq!((self.0, id), (1, 7));
        fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn owned(mut self, id: u64) -> u64 {
        self.0 += 1;
        assert_eq!((self.0, id), (2, 7));
        fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    fn owned_sync(mut self, id: u64) -> u64 {
        self.0 += 1;
        assert_eq!((self.0, id), (2, 7));
        fresh()
    }

    #[read_through(key = "{self.0}:{id}", ttl = self.0 * 60, stale = "5m")]
    async fn borrowed(&self, id: u64, name: &str) -> u64 {
        tokio::task::yield_now().await;
        assert_eq!((format!("{self}"), id, name), ("repo 1".into(), 7, "a"));
        self.fresh()
    }

    #[read_through(key = "{self.0}:{id}", ttl = |_: &u64| self.0 * 60, stale = "5m")]
    fn borrowed_sync(&self, id: u64, name: &str) -> u64 {
        assert_eq!((format!("{self}"), id, name), ("repo 1".into(), 7, "a"));
        self.fresh()
    }

    fn fresh(&self) -> u64 {
        fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn with_items(&self, id: u64) -> u64 {
        struct Node(u64);
        impl Node {
            fn id(&self) -> u64 {
                self.0
            }
        }
        assert_eq!(Node(id + self.0).id(), 8);
        fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    fn boxed(&self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + '_>> {
        Box::pin(async move {
            assert_eq!((self.0, id), (1, 7));
            fresh()
        })
    }
}

trait Load: Sized + Clone + Send + Sync + 'static {
    async fn load(&self, id: u64) -> u64;
    fn load_sync(&self, id: u64) -> u64;

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn load_by_default(&self, id: u64) -> u64 {
        assert_eq!(id, 7);
        fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    fn load_sync_by_default(&self, id: u64) -> u64 {
        assert_eq!(id, 7);
        fresh()
    }
}

impl Load for Repo {
    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn load(&self, id: u64) -> u64 {
        assert_eq!((self.0, id), (1, 7));
        self.fresh()
    }

    #[read_through(key = "id", ttl = 60, stale = "5m")]
    fn load_sync(&self, id: u64) -> u64 {
        assert_eq!((self.0, id), (1, 7));
        self.fresh()
    }
}

#[async_trait]
trait Boxed: Send + Sync {
    async fn get(&self, id: u64, name: &str) -> u64;
}

#[async_trait]
impl Boxed for Repo {
    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn get(&self, id: u64, name: &str) -> u64 {
        tokio::task::yield_now().await;
        assert_eq!((self.0, id, name), (1, 7, "a"));
        self.fresh()
    }
}

fn object() -> Arc<dyn Boxed> {
    Arc::new(Repo(1))
}
