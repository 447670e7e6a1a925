//! Every shape of a method.

use cache_runtime::{Cache, CacheKey, Invalidated, read_through};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[derive(Clone)]
struct Repo {
    base: u64,
}

impl Repo {
    #[read_through(key = "id", ttl = 60)]
    async fn load(&self, id: u64) -> Result<u64, Box<dyn Error>> {
        let one: u64 = "1".parse()?;
        if id == 9 {
            return Err("nobody".into());
        }
        Ok(id + self.base + one)
    }

    #[read_through(key = "{self.base}:{id}")]
    async fn by_value(mut self, mut id: u64) -> u64 {
        self.base += 1;
        id += self.base;
        id
    }

    #[read_through(key = "id", method)]
    async fn associated(id: u64) -> u64 {
        id
    }

    #[read_through(key = "id")]
    async fn associated_by_self_type(id: u64) -> u64 {
        Self::helper(id)
    }

    fn helper(id: u64) -> u64 {
        id * 2
    }

    #[read_through(key = "id")]
    fn sync(&self, id: u64) -> u64 {
        if id == 77 {
            return 3;
        }
        self.base + id
    }

    #[read_through(key = "id")]
    async fn shared(self: Arc<Self>, id: u64) -> u64 {
        self.base + id
    }

    #[read_through(key = "id", ttl = self.base, store_if = |n| *n > 3)]
    async fn recursive(&self, id: u64) -> u64 {
        if id == 0 {
            self.base
        } else {
            self.recursive(id - 1).await + 1
        }
    }

    #[read_through(key = (a, self.base + b))]
    async fn patterns(&self, (a, _): (u64, u64), &b: &u64, _: &str) -> u64 {
        a + b + self.base
    }

    #[read_through(key = "k")]
    async fn generic<T: CacheKey, const N: usize>(&self, k: T, _i: impl Send) -> usize {
        let _ = k;
        N
    }
}

struct Typed<T>(T);

impl<T> Typed<T> {
    #[read_through(key = "id")]
    async fn size(&self, id: u64) -> usize {
        let _ = id;
        size_of::<T>()
    }
}

trait Load {
    async fn get(&self, id: u64) -> u64;

    #[read_through(key = "id")]
    async fn get_by_default(&self, id: u64) -> u64 {
        id + 5
    }

    #[read_through(key = "id")]
    fn get_sync_by_default(&self, id: u64) -> u64 {
        id + 6
    }
}

impl Load for Repo {
    #[read_through(key = "id")]
    async fn get(&self, id: u64) -> u64 {
        self.base + id
    }
}

trait Boxed: Send + Sync {
    fn get<'a>(&'a self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'a>>;
}

impl Boxed for Repo {
    #[read_through(key = "id")]
    fn get<'a>(&'a self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
        Box::pin(async move { self.base + id })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Cache::in_memory().install()?;
    let repo = Repo { base: 100 };
    assert_eq!(repo.load(1).await?, 102);
    assert!(repo.load(9).await.is_err());
    assert_eq!(
        cache_runtime::invalidate(repo.load(1)).await?,
        Invalidated::Removed
    );
    assert_eq!(
        cache_runtime::invalidate(repo.load(1)).await?,
        Invalidated::Absent
    );
    assert_eq!(repo.clone().by_value(3).await, 104);
    assert_eq!(Repo::associated(1).await, 1);
    assert_eq!(Repo::associated_by_self_type(1).await, 2);
    assert_eq!(repo.sync(77), 3);
    assert_eq!(repo.sync(4), 104);
    assert_eq!(repo.patterns((1, 2), &3, "").await, 104);
    assert_eq!(repo.generic::<_, 3>(1, 2).await, 3);
    assert_eq!(repo.generic::<_, 4>(1, 2).await, 4);
    assert_eq!(Typed(1_u8).size(1).await, 1);
    assert_eq!(Typed(1_u64).size(1).await, 8);

    let shared = Arc::new(repo.clone());
    assert_eq!(tokio::spawn(shared.clone().shared(1)).await?, 101);
    assert_eq!(
        tokio::spawn(async move { shared.recursive(5).await }).await?,
        105
    );

    assert_eq!(Load::get(&repo, 1).await, 101);
    assert_eq!(repo.get_by_default(1).await, 6);
    assert_eq!(repo.get_sync_by_default(1), 7);
    let object: Arc<dyn Boxed> = Arc::new(repo);
    assert_eq!(object.get(5).await, 105);
    assert_eq!(
        cache_runtime::invalidate(object.get(5)).await?,
        Invalidated::Removed
    );
    assert_eq!(tokio::spawn(async move { object.get(5).await }).await?, 105);
    Ok(())
}
