//! `detach` on every shape.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use cache_runtime::{Cache, EventKind, Seen, observe, read_through};

/// The caller leaves, and the load goes on and stores its value.
async fn goes_on_alone(call: impl AsyncFn() -> (u64, Seen)) {
    let cache = Cache::in_memory();
    let filled = Arc::new(AtomicBool::new(false));
    let tell = filled.clone();
    let _listening = cache.on_event(move |event| {
        tell.fetch_or(event.kind == EventKind::Filled, Relaxed);
    });
    let story = async {
        let left = tokio::time::timeout(Duration::from_millis(5), call()).await;
        assert!(left.is_err());
        while !filled.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(call().await, (7, Seen::Stored));
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), cache.scope(story)).await;
    in_time.expect("the load comes to an end");
}

macro_rules! detached {
    ($($shape:ident: $call:expr;)*) => {
        mod table {
            use super::*;
            $(
                #[tokio::test]
                async fn $shape() {
                    goes_on_alone(async || observe($call).await).await;
                }
            )*
        }
    };
}

detached! {
    a_free_function: slow(7, "a");
    without_companion: slow_alone(7, "a");
    arguments_named_as_keywords: slow_match(7, "a");
    generics: slow_generic(7_u64, &String::new());
    a_shared_self: Arc::new(Repo(1)).slow_shared(7);
    an_owned_self: Repo(1).slow_owned(7);
    a_borrowed_self: Repo(1).slow_borrowed(7, "a");
    a_trait_implementation: Slow::slow(&Repo(1), 7);
    an_async_trait: Boxed::get(&Repo(1), 7);
    a_trait_object: object().get(7);
}

async fn slowly<T>(value: T) -> T {
    tokio::time::sleep(Duration::from_millis(50)).await;
    value
}

#[read_through(key = "id", detach)]
async fn slow(id: u64, name: &str) -> u64 {
    slowly(id * name.len() as u64).await
}

#[read_through(key = "type", detach)]
async fn slow_match(r#type: u64, r#ref: &str) -> u64 {
    slowly(r#type * r#ref.len() as u64).await
}

#[read_through(key = "id", detach, companion = false)]
async fn slow_alone(id: u64, name: &str) -> u64 {
    slowly(id * name.len() as u64).await
}

#[read_through(key = "id", detach)]
async fn slow_generic<T: Clone + Send + Sync + 'static>(id: u64, more: &T) -> u64 {
    let _ = more;
    slowly(id).await
}

#[derive(Clone)]
struct Repo(u64);

impl Repo {
    #[read_through(key = "id", detach)]
    async fn slow_shared(self: Arc<Self>, id: u64) -> u64 {
        slowly(id * self.0).await
    }

    #[read_through(key = "id", detach)]
    async fn slow_owned(self, id: u64) -> u64 {
        slowly(id * self.0).await
    }

    #[read_through(key = "id", detach)]
    async fn slow_borrowed(&self, id: u64, name: &str) -> u64 {
        slowly(id * self.0 * name.len() as u64).await
    }
}

trait Slow {
    async fn slow(&self, id: u64) -> u64;
}

impl Slow for Repo {
    #[read_through(key = "id", detach)]
    async fn slow(&self, id: u64) -> u64 {
        slowly(id * self.0).await
    }
}

#[async_trait]
trait Boxed: Send + Sync {
    async fn get(&self, id: u64) -> u64;
}

#[async_trait]
impl Boxed for Repo {
    #[read_through(key = "id", detach)]
    async fn get(&self, id: u64) -> u64 {
        slowly(id * self.0).await
    }
}

fn object() -> Arc<dyn Boxed> {
    Arc::new(Repo(1))
}
