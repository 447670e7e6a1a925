//! Functions of traits, and recursion.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use cache_runtime::{Cache, Invalidated, invalidate, read_through};

use super::{ran, runs, shapes, three_steps};

shapes! {
    implementation: One(1).load(7), One(1).load_sync(7);
    default_method: One(1).load_by_default(7), One(1).load_sync_by_default(7);
    behind_a_generic: through_generic(&One(1)), through_generic_sync(&One(1));
    async_trait_implementation: One(1).get(7), One(1).get_sync(7);
    async_trait_default_method: One(1).load_boxed(7), One(1).load_boxed_sync(7);
    trait_object: object().get(7), object().get_sync(7);
    trait_object_by_default: object().load_boxed(7), object().load_boxed_sync(7);
    shared_trait_object: object().shared(7), object().shared_sync(7);
    boxed_by_hand: One(1).by_hand(7), One(1).load_sync(7);
    without_self: <One as Load>::of_type(7), <One as Load>::of_type_sync(7);
}

struct One(u64);
struct Two(u64);

trait Load: Sized {
    fn base(&self) -> u64;

    async fn load(&self, id: u64) -> u64;
    fn load_sync(&self, id: u64) -> u64;

    #[read_through(key = "id")]
    async fn load_by_default(&self, id: u64) -> u64 {
        ran(self.base() + id)
    }

    #[read_through(key = "id")]
    fn load_sync_by_default(&self, id: u64) -> u64 {
        ran(self.base() + id)
    }

    #[read_through(key = "id", method)]
    async fn of_type(id: u64) -> u64 {
        ran(id)
    }

    #[read_through(key = "id", method)]
    fn of_type_sync(id: u64) -> u64 {
        ran(id)
    }
}

impl Load for One {
    fn base(&self) -> u64 {
        self.0
    }

    #[read_through(key = "id", ttl = 60)]
    async fn load(&self, id: u64) -> u64 {
        ran(self.0 + id)
    }

    #[read_through(key = "id", ttl = 60)]
    fn load_sync(&self, id: u64) -> u64 {
        ran(self.0 + id)
    }
}

impl Load for Two {
    fn base(&self) -> u64 {
        self.0
    }

    #[read_through(key = "id", ttl = 60)]
    async fn load(&self, id: u64) -> u64 {
        ran(self.0 + id)
    }

    #[read_through(key = "id", ttl = 60)]
    fn load_sync(&self, id: u64) -> u64 {
        ran(self.0 + id)
    }
}

async fn through_generic(load: &impl Load) -> u64 {
    load.load(7).await
}

fn through_generic_sync(load: &impl Load) -> u64 {
    load.load_sync(7)
}

#[async_trait]
trait Boxed: Send + Sync {
    async fn get(&self, id: u64) -> u64;
    fn get_sync(&self, id: u64) -> u64;

    #[read_through(key = "name")]
    async fn load_by_name(&self, name: &str) -> Result<usize, String> {
        let length = name.len();
        if length == 0 {
            return Err("no name".into());
        }
        Ok(ran(length))
    }

    #[read_through(key = "id")]
    async fn load_boxed(&self, id: u64) -> u64 {
        ran(id)
    }

    #[read_through(key = "id")]
    fn load_boxed_sync(&self, id: u64) -> u64 {
        ran(id)
    }

    async fn shared(self: Arc<Self>, id: u64) -> u64;
    fn shared_sync(self: Arc<Self>, id: u64) -> u64;
}

#[async_trait]
impl Boxed for One {
    #[read_through(key = "id")]
    async fn get(&self, id: u64) -> u64 {
        tokio::task::yield_now().await;
        ran(self.0 + id)
    }

    #[read_through(key = "id")]
    fn get_sync(&self, id: u64) -> u64 {
        ran(self.0 + id)
    }

    #[read_through(key = "id")]
    async fn shared(self: Arc<Self>, id: u64) -> u64 {
        ran(self.0 + id)
    }

    #[read_through(key = "id")]
    fn shared_sync(self: Arc<Self>, id: u64) -> u64 {
        ran(self.0 + id)
    }
}

fn object() -> Arc<dyn Boxed> {
    Arc::new(One(1))
}

impl One {
    #[read_through(key = "id")]
    fn by_hand<'a>(&'a self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
        Box::pin(async move { ran(self.0 + id) })
    }
}

#[tokio::test]
async fn two_implementors_share_nothing() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(One(1).load(7).await, 8);
            assert_eq!(Two(2).load(7).await, 9);
            assert_eq!(One(1).load_by_default(7).await, 8);
            assert_eq!(Two(2).load_by_default(7).await, 9);
            assert_eq!(One(1).load_sync_by_default(7), 8);
            assert_eq!(Two(2).load_sync_by_default(7), 9);
            assert_eq!(<One as Load>::of_type(7).await, 7);
            assert_eq!(<Two as Load>::of_type(7).await, 7);
            assert_eq!(runs(), 8);
        })
        .await;
}

#[tokio::test]
async fn an_error_behind_a_trait_object_is_returned_and_not_stored() {
    Cache::in_memory()
        .scope(async {
            let object = object();
            assert_eq!(object.load_by_name("").await, Err("no name".into()));
            assert_eq!(object.load_by_name("bob").await, Ok(3));
            assert_eq!(object.load_by_name("bob").await, Ok(3));
            assert_eq!(runs(), 1);
            let spawned = tokio::spawn(async move { object.get(7).await });
            assert_eq!(spawned.await.unwrap(), 8);
        })
        .await;
}

#[read_through]
async fn factorial(n: u64) -> u64 {
    ran(if n < 2 { 1 } else { n * factorial(n - 1).await })
}

#[read_through]
fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        return ran(n);
    }
    ran(fibonacci(n - 1) + fibonacci(n - 2))
}

impl Two {
    #[read_through(key = "n")]
    async fn countdown(&self, n: u64) -> u64 {
        ran(match n {
            0 => self.0,
            n => self.countdown(n - 1).await,
        })
    }
}

#[tokio::test]
async fn what_calls_itself_is_stored_at_each_depth() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(factorial(5).await, 120);
            assert_eq!(factorial(7).await, 5040);
            assert_eq!(runs(), 7);
            assert_eq!(fibonacci(30), 832_040);
            assert_eq!(runs(), 7 + 31);
            assert_eq!(Two(2).countdown(9).await, 2);
            assert_eq!(Two(2).countdown(9).await, 2);
            assert_eq!(runs(), 7 + 31 + 10);
            assert_eq!(
                invalidate(factorial(7)).await.unwrap(),
                Invalidated::Removed
            );
            assert_eq!(factorial(7).await, 5040);
            assert_eq!(runs(), 7 + 31 + 11);
        })
        .await;
}
