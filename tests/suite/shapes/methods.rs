//! Methods, and functions beside them.

use std::sync::Arc;

use cache_runtime::{Cache, CacheKey, read_through};

use super::{ran, runs, shapes, three_steps};

shapes! {
    by_reference: repo(1).load(7), repo(1).load_sync(7);
    by_value: repo(1).consume(7), repo(1).consume_sync(7);
    shared: Arc::new(repo(1)).shared(7), Arc::new(repo(1)).shared_sync(7);
    boxed_self: Box::new(repo(1)).in_box(7), Box::new(repo(1)).in_box_sync(7);
    a_field_in_the_key: repo(1).of_tenant(7), repo(1).of_tenant_sync(7);
    an_expression_over_self: repo(1).computed(7), repo(1).computed_sync(7);
    associated: Repo::associated(7), Repo::associated_sync(7);
    associated_by_self_type: Repo::doubled(7), Repo::doubled_sync(7);
    constructor: Repo::make(7), Repo::make_sync(7);
    generic_type: Typed(1_u8).size(7), Typed(1_u8).size_sync(7);
    generic_method: repo(1).generic::<u8, 3>(7), repo(1).generic_sync::<u8, 3>(7);
    patterns: repo(1).patterns((1, 2), &3, ""), repo(1).patterns_sync((1, 2), &3, "");
    question_mark_and_return: repo(1).fallible("7"), repo(1).fallible_sync("7");
    nothing_to_return: repo(1).nothing(7), repo(1).nothing_sync(7);
    instrumented_above: repo(1).spanned_above(7), repo(1).spanned_above_sync(7);
    instrumented_below: repo(1).spanned_below(7), repo(1).spanned_below_sync(7);
    settings_over_self: repo(1).settings(7), repo(1).settings_sync(7);
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Repo {
    tenant: u64,
}

fn repo(tenant: u64) -> Repo {
    Repo { tenant }
}

impl Repo {
    #[read_through(key = "id")]
    async fn load(&self, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "id")]
    fn load_sync(&self, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "id")]
    async fn consume(mut self, id: u64) -> u64 {
        self.tenant += id;
        ran(self.tenant)
    }

    #[read_through(key = "id")]
    fn consume_sync(mut self, id: u64) -> u64 {
        self.tenant += id;
        ran(self.tenant)
    }

    #[read_through(key = "id")]
    async fn shared(self: Arc<Self>, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "id")]
    fn shared_sync(self: Arc<Self>, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "id")]
    async fn in_box(self: Box<Self>, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "id")]
    fn in_box_sync(self: Box<Self>, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "{self.tenant}:{id}")]
    async fn of_tenant(&self, id: u64) -> u64 {
        ran(self.tenant * 100 + id)
    }

    #[read_through(key = "{self.tenant}:{id}")]
    fn of_tenant_sync(&self, id: u64) -> u64 {
        ran(self.tenant * 100 + id)
    }

    #[read_through(key = (self.tenant + 1, id))]
    async fn computed(&self, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = (self.tenant + 1, id))]
    fn computed_sync(&self, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(method)]
    async fn associated(id: u64) -> u64 {
        ran(id)
    }

    #[read_through(method)]
    fn associated_sync(id: u64) -> u64 {
        ran(id)
    }

    #[read_through]
    async fn doubled(id: u64) -> u64 {
        Self::double(id)
    }

    #[read_through]
    fn doubled_sync(id: u64) -> u64 {
        Self::double(id)
    }

    fn double(id: u64) -> u64 {
        ran(id * 2)
    }

    #[read_through]
    async fn make(tenant: u64) -> Self {
        ran(Self { tenant })
    }

    #[read_through]
    fn make_sync(tenant: u64) -> Self {
        ran(Self { tenant })
    }

    #[read_through(key = "id")]
    async fn generic<T: CacheKey, const N: usize>(&self, id: T) -> usize {
        drop(id);
        ran(N)
    }

    #[read_through(key = "id")]
    fn generic_sync<T: CacheKey, const N: usize>(&self, id: T) -> usize {
        drop(id);
        ran(N)
    }

    #[read_through(key = "a, b")]
    async fn patterns(&self, (a, mut c): (u64, u64), &b: &u64, _: &str) -> u64 {
        c += 1;
        ran(self.tenant + a + b + c)
    }

    #[read_through(key = "a, b")]
    fn patterns_sync(&self, (a, mut c): (u64, u64), &b: &u64, _: &str) -> u64 {
        c += 1;
        ran(self.tenant + a + b + c)
    }

    #[read_through(key = "id")]
    async fn fallible(&self, id: &str) -> Result<u64, std::num::ParseIntError> {
        if id.is_empty() {
            return Ok(0);
        }
        Ok(ran(self.tenant + id.parse::<u64>()?))
    }

    #[read_through(key = "id")]
    fn fallible_sync(&self, id: &str) -> Result<u64, std::num::ParseIntError> {
        if id.is_empty() {
            return Ok(0);
        }
        Ok(ran(self.tenant + id.parse::<u64>()?))
    }

    #[read_through(key = "id", cache_unit)]
    async fn nothing(&self, id: u64) {
        let _ = ran(id);
    }

    #[read_through(key = "id", cache_unit)]
    fn nothing_sync(&self, id: u64) {
        let _ = ran(id);
    }

    #[tracing::instrument]
    #[read_through(key = "id")]
    async fn spanned_above(&self, id: u64) -> u64 {
        ran(id)
    }

    #[tracing::instrument]
    #[read_through(key = "id")]
    fn spanned_above_sync(&self, id: u64) -> u64 {
        ran(id)
    }

    #[read_through(key = "id")]
    #[tracing::instrument(skip(self))]
    async fn spanned_below(&self, id: u64) -> u64 {
        ran(id)
    }

    #[read_through(key = "id")]
    #[tracing::instrument(skip(self))]
    fn spanned_below_sync(&self, id: u64) -> u64 {
        ran(id)
    }

    #[read_through(key = "id", ttl = self.tenant, store_if = |n| *n > self.tenant)]
    async fn settings(&self, id: u64) -> u64 {
        ran(self.tenant + id)
    }

    #[read_through(key = "id", ttl = |n: &u64| n + self.tenant, store_if = is_positive)]
    fn settings_sync(&self, id: u64) -> u64 {
        ran(self.tenant + id)
    }
}

fn is_positive(n: &u64) -> bool {
    *n > 0
}

struct Typed<T>(T);

impl<T> Typed<T> {
    #[read_through(key = "id")]
    async fn size(&self, id: u64) -> usize {
        let _ = id;
        ran(size_of_val(&self.0))
    }

    #[read_through(key = "id")]
    fn size_sync(&self, id: u64) -> usize {
        let _ = id;
        ran(size_of_val(&self.0))
    }
}

#[tokio::test]
async fn two_instances_share_only_what_their_key_says() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(repo(1).of_tenant(7).await, 107);
            assert_eq!(repo(2).of_tenant(7).await, 207);
            assert_eq!(repo(1).of_tenant(7).await, 107);
            assert_eq!(repo(1).of_tenant_sync(7), 107);
            assert_eq!(repo(2).of_tenant_sync(7), 207);
            assert_eq!(runs(), 4);
        })
        .await;
}

#[tokio::test]
async fn two_instantiations_share_nothing() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(Typed(1_u8).size(7).await, 1);
            assert_eq!(Typed(1_u64).size(7).await, 8);
            assert_eq!(Typed(1_u8).size_sync(7), 1);
            assert_eq!(Typed(1_u64).size_sync(7), 8);
            assert_eq!(repo(1).generic::<u8, 3>(7).await, 3);
            assert_eq!(repo(1).generic::<u8, 4>(7).await, 4);
            assert_eq!(repo(1).generic::<u16, 3>(7).await, 3);
            assert_eq!(runs(), 7);
        })
        .await;
}
