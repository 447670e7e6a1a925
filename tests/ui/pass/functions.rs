//! Every shape of a free function.

use cache_runtime::{Cache, CacheKey, Invalidated, read_through};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct User {
    id: u64,
}

struct Path<T>(T);

struct Request {
    user: User,
    tags: (u8, String),
}

type Outcome<T> = Result<T, Box<dyn Error>>;

#[read_through(key = "id", ttl = 60)]
async fn fallible(id: u64) -> Result<User, Box<dyn Error>> {
    if id == 0 {
        return Err("nobody".into());
    }
    let one: u64 = "1".parse()?;
    tokio::task::yield_now().await;
    Ok(User { id: id * one })
}

#[read_through]
async fn aliased(id: u64) -> Outcome<Option<u64>> {
    Ok(Some(id).filter(|id| *id > 0))
}

#[read_through(none = "30s", ttl = "1h30m", jitter = "10%")]
async fn optional(id: u64) -> Option<Arc<u64>> {
    Some(Arc::new(id))
}

#[read_through(key = "{a}:{b}")]
async fn borrowed(a: &str, b: Option<&str>, _ignored: &[u8]) -> Cow<'static, str> {
    format!("{a}{b:?}").into()
}

#[read_through(key = "ids")]
async fn slices(ids: &[u64]) -> usize {
    ids.len()
}

#[read_through]
async fn moved(mut a: String, b: Vec<u32>) -> String {
    a.push_str(&b.len().to_string());
    drop(b);
    a
}

#[read_through]
async fn patterns(
    Path((id, ref name)): Path<(u64, String)>,
    &(a, b): &(u64, u64),
    (c, d): &(u64, u64),
    _: Request,
) -> String {
    format!("{id}{name}{a}{b}{c}{d}")
}

#[read_through(key = "{request.user.id}/{request.tags.1}")]
async fn fields(request: &Request) -> u64 {
    request.user.id + u64::from(request.tags.0)
}

#[read_through(key = (request.user.id + 1, tenant.len()))]
async fn expressions(request: Request, tenant: &str) -> String {
    format!("{tenant}{}", request.user.id)
}

#[read_through(key = format!("x{n}"))]
async fn format_strings(n: u8) -> u8 {
    n
}

#[read_through(key = "k", ttl = 10)]
async fn generic<T, const N: usize>(k: impl CacheKey + Into<String>, f: impl Fn() -> T) -> T
where
    T: Serialize + DeserializeOwned,
{
    let _: String = k.into();
    f()
}

#[read_through(key = "a")]
async fn lifetimes<'a, 'b: 'a>(a: &'a str, b: &'b str) -> usize {
    a.len() + b.len()
}

#[read_through]
async fn factorial(n: u64) -> u64 {
    if n < 2 { 1 } else { n * factorial(n - 1).await }
}

#[read_through]
fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    fibonacci(n - 1) + fibonacci(n - 2)
}

#[read_through(key = "id")]
fn boxed(id: u64, name: &str) -> Pin<Box<dyn Future<Output = u64> + Send + '_>> {
    Box::pin(async move { id + name.len() as u64 })
}

#[read_through(skip(db))]
async fn skipping(db: &mut Vec<u8>, id: usize) -> usize {
    db.push(1);
    db.len() + id
}

#[read_through(key = "id", cache = &db.cache)]
async fn own_cache(id: u64, db: &Database) -> u64 {
    let _ = &db.cache;
    id
}

struct Database {
    cache: Cache,
}

#[read_through]
async fn user(user: u64, value: u8) -> u64 {
    user + u64::from(value)
}

#[read_through]
async fn with_items(id: u64) -> u64 {
    struct Node(u64);
    impl Node {
        fn new(id: u64) -> Self {
            Self(id)
        }
    }
    Node::new(id).0
}

mod inner {
    #[super::read_through(companion = names)]
    pub(crate) async fn named(id: u64) -> u64 {
        id
    }
}

fn request() -> Request {
    Request {
        user: User { id: 1 },
        tags: (1, "t".into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Cache::in_memory().install()?;
    assert_eq!(fallible(7).await?, User { id: 7 });
    assert_eq!(fallible::peek(7).await?, Some(User { id: 7 }));
    assert_eq!(fallible::peek_many([7, 8]).await?.len(), 2);
    assert_eq!(fallible::invalidate(&7).await?, Invalidated::Removed);
    fallible::put(7, &User { id: 8 }).await?;
    assert_eq!(fallible(7).await?, User { id: 8 });
    assert_eq!(fallible::refresh(7).await?, User { id: 7 });
    assert_eq!(fallible::uncached(9).await?, User { id: 9 });
    assert!(fallible(0).await.is_err());
    let spawned = tokio::spawn(async { fallible(3).await.map_err(|error| error.to_string()) });
    assert_eq!(spawned.await??, User { id: 3 });

    assert_eq!(aliased(0).await?, None);
    aliased(1).await?;
    assert!(matches!(aliased::peek(1).await?, Some(Ok(Some(1)))));
    assert_eq!(optional(1).await, optional::peek(1).await?);
    assert_ne!(
        borrowed("a:b", Some("c"), &[]).await,
        borrowed("a", Some("b:c"), &[]).await
    );
    assert!(
        borrowed::peek(&String::from("a:b"), Some("c"))
            .await?
            .is_some()
    );
    slices(&[1, 2]).await;
    assert_eq!(
        slices::peek_many([&[1, 2][..], &[3]]).await?,
        [Some(2), None]
    );
    moved("x".into(), vec![1]).await;
    assert!(moved::peek("x", [1]).await?.is_some());

    let name = || Path((1, "n".to_owned()));
    assert_eq!(
        patterns(name(), &(1, 2), &(3, 4), request()).await,
        "1n1234"
    );
    assert!(patterns::peek(name(), &(1, 2), &(3, 4)).await?.is_some());
    fields(&request()).await;
    assert!(fields::key(&request()).ends_with("fields:1/t"));
    expressions(request(), "t").await;
    assert!(expressions::key(request(), "t").ends_with("expressions:2:1"));
    assert!(format_strings::key(3).ends_with("format_strings:x3"));

    assert_eq!(generic::<u8, 3>("k".to_owned(), || 1).await, 1);
    assert_eq!(generic::<u64, 3>("k".to_owned(), || 2).await, 2);
    assert_eq!(generic::<u8, 4>("k".to_owned(), || 3).await, 3);
    assert_eq!(generic::peek::<u8, 3>("k".to_owned()).await?, Some(1));
    lifetimes("a", "b").await;

    assert_eq!(tokio::spawn(factorial(5)).await?, 120);
    assert_eq!(fibonacci(20), 6765);
    assert_eq!(fibonacci::peek(20)?, Some(6765));
    fibonacci::put(20, &1)?;
    assert_eq!(fibonacci(20), 1);
    assert_eq!(fibonacci::refresh(20), 6765);
    assert_eq!(tokio::spawn(async { boxed(3, "a").await }).await?, 4);
    assert_eq!(boxed::peek(3).await?, Some(4));

    assert_eq!(
        skipping(&mut vec![], 3).await,
        skipping(&mut vec![1], 3).await
    );
    let database = Database {
        cache: Cache::in_memory(),
    };
    own_cache(1, &database).await;
    assert_eq!(
        own_cache::peek_many([1, 2], &database).await?,
        [Some(1), None]
    );
    user(1, 2).await;
    assert_eq!(user::refresh(1, 2).await, 3);
    assert_eq!(with_items(3).await, 3);
    inner::named(3).await;
    assert_eq!(inner::names::peek(3).await?, Some(3));

    #[read_through(key = "id")]
    async fn local(id: u64) -> u64 {
        id
    }
    local(1).await;
    assert_eq!(local::invalidate(1).await?, Invalidated::Removed);
    Ok(())
}
