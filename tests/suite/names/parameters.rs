//! Type parameters: part of the key, or said to be none.

use std::fmt::Debug;

use cache_runtime::{Cache, Invalidated, read_through};

/// As the executors of a database library: a pool by reference, or a connection.
trait Executor<'e> {
    fn number(self) -> u64;
}

struct Pool;
struct Connection;

impl<'e> Executor<'e> for &'e Pool {
    fn number(self) -> u64 {
        1
    }
}

impl<'e> Executor<'e> for &'e mut Connection {
    fn number(self) -> u64 {
        1
    }
}

#[read_through(key = "id", skip(E), ttl = 60)]
async fn price<'e, E: Executor<'e>>(db: E, id: u64) -> u64 {
    id + db.number()
}

#[tokio::test]
async fn skipped_types_share_a_value() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(price(&Pool, 7).await, 8);
            let (_, seen) = cache_runtime::observe(price(&mut Connection, 7)).await;
            assert_eq!(seen, cache_runtime::Seen::Stored);
            assert_eq!(price::invalidate(7).await.unwrap(), Invalidated::Removed);
            assert_eq!(price::peek(7).await.unwrap(), None);
            price::put(7, &9).await.unwrap();
            assert_eq!(price::peek_many([7, 8]).await.unwrap(), [Some(9), None]);
            assert_eq!(price(&Pool, 7).await, 9);
            assert_eq!(price::refresh(&Pool, 7).await, 8);
            assert_eq!(price::uncached(&mut Connection, 7).await, 8);
        })
        .await;
    assert_eq!(price::key(7), "cache:suite.names.parameters.price:7");
}

#[read_through(key = "id", skip(db), ttl = 60)]
async fn cost(db: impl for<'e> Executor<'e>, id: u64) -> u64 {
    id + db.number()
}

struct Source;

impl Executor<'_> for Source {
    fn number(self) -> u64 {
        1
    }
}

#[tokio::test]
async fn skipped_opaque_types_share_a_value() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(cost(Source, 7).await, 8);
            assert_eq!(cost::peek(7).await.unwrap(), Some(8));
        })
        .await;
}

trait Table {
    const NAME: &'static str;
}

struct Users;
impl Table for Users {
    const NAME: &'static str = "users";
}

struct Orders;
impl Table for Orders {
    const NAME: &'static str = "orders";
}

struct Db<T>(T);

#[read_through(key = "T, id", ttl = 60)]
fn first<T: Table>(_db: &Db<T>, id: u64) -> String {
    format!("{} {id}", T::NAME)
}

#[read_through(key = "{T} of {id}", ttl = 60)]
fn second<T: Table>(_db: &Db<T>, id: u64) -> String {
    format!("{} {id}", T::NAME)
}

#[read_through(key = (T::NAME, id), ttl = 60)]
fn third<T: Table>(_db: &Db<T>, id: u64) -> String {
    format!("{} {id}", T::NAME)
}

#[test]
fn types_in_the_key_share_nothing() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        for table in [first, second, third] {
            assert_eq!(table(&Db(Users), 1), "users 1");
        }
        for table in [first, second, third] {
            assert_eq!(table(&Db(Orders), 1), "orders 1");
        }
    }
    first::invalidate::<Users>(1).unwrap();
    assert_eq!(first::peek::<Users>(1).unwrap(), None);
    assert_eq!(
        first::peek::<Orders>(1).unwrap().as_deref(),
        Some("orders 1")
    );
    let here = "suite.names.parameters";
    assert_eq!(
        first::key::<Users>(1),
        format!("cache:{here}.first:{here}.Users:1")
    );
    assert_eq!(
        second::key::<Users>(1),
        format!("cache:{here}.second:{here}.Users of 1")
    );
}

#[read_through(key = "id", ttl = 60)]
fn by_call<F, L>(fetch: F, log: &L, id: u64) -> u64
where
    F: Fn(u64) -> u64 + Send,
    L: Copy + 'static,
{
    let _ = log;
    fetch(id)
}

#[test]
fn harmless_types_are_left_out() {
    let cache = Cache::in_memory();
    let _inside = cache.enter();
    let calls = [|id| id * 2, |id| id * 3];
    assert_eq!(by_call(calls[0], &(), 7), 14);
    assert_eq!(by_call(|id| id * 100, &"log", 7), 14);
    assert_eq!(by_call::peek(7).unwrap(), Some(14));
    assert_eq!(cache.stats().functions()[0].loads, 1);
}

#[read_through(ttl = 60)]
fn by_value<T: cache_runtime::CacheKey + Debug>(id: T) -> String {
    format!("{id:?} of {}", std::any::type_name::<T>())
}

#[test]
fn types_of_the_key_are_part_of_it() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!(by_value(1_u8), "1 of u8");
        assert_eq!(by_value(1_u64), "1 of u64");
    }
    by_value::invalidate(1_u8).unwrap();
    assert_eq!(by_value::peek(1_u8).unwrap(), None);
    assert!(by_value::peek(1_u64).unwrap().is_some());
}

#[read_through(key = "id", skip(E), ttl = 60)]
fn fallible<E: From<std::num::ParseIntError>>(
    text: &str,
    id: u64,
    _why: Option<E>,
) -> Result<u64, E> {
    Ok(text.parse::<u64>()? + id)
}

#[test]
fn a_skipped_type_may_be_the_error() {
    let _inside = Cache::in_memory().enter();
    assert_eq!(
        fallible::<Box<dyn std::error::Error>>("1", 1, None).unwrap(),
        2
    );
    let removed = fallible::invalidate::<Box<dyn std::error::Error>>(1).unwrap();
    assert_eq!(removed, Invalidated::Removed);
}

#[read_through(key = "id", ttl = 60)]
async fn by_future<F, Fut>(fetch: F, id: u64) -> u64
where
    F: Fn(u64) -> Fut,
    Fut: Future<Output = u64>,
{
    fetch(id).await
}

#[tokio::test]
async fn futures_of_a_function_are_left_out() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(by_future(|id| async move { id * 2 }, 7).await, 14);
            assert_eq!(by_future(|id| async move { id * 100 }, 7).await, 14);
            assert_eq!(
                by_future::invalidate(7).await.unwrap(),
                Invalidated::Removed
            );
        })
        .await;
}

#[read_through(key = "id", skip(N), ttl = 60)]
fn sum<const N: usize>(numbers: [u64; N], id: u64) -> u64 {
    numbers.iter().sum::<u64>() + id
}

#[test]
fn skipped_consts_share_a_value() {
    let _inside = Cache::in_memory().enter();
    assert_eq!(sum([1, 2], 7), 10);
    assert_eq!(sum([1], 7), 10);
    assert_eq!(sum::peek(7).unwrap(), Some(10));
}

struct Settings;

trait HasCache {
    const SECONDS: u64;
    fn cache() -> &'static Cache;
}

static CACHE: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(Cache::in_memory);

impl HasCache for Settings {
    const SECONDS: u64 = 60;
    fn cache() -> &'static Cache {
        &CACHE
    }
}

#[read_through(key = "id", skip(S), cache = S::cache(), ttl = S::SECONDS)]
fn with_settings<S: HasCache>(_settings: &S, id: u64) -> u64 {
    id
}

#[test]
fn skipped_types_may_be_in_other_options() {
    assert_eq!(with_settings(&Settings, 7), 7);
    assert_eq!(with_settings::peek::<Settings>(7).unwrap(), Some(7));
    with_settings::put::<Settings>(7, &8).unwrap();
    assert_eq!(with_settings(&Settings, 7), 8);
}

#[read_through(key = "id", ttl = 60)]
fn borrowed<T: cache_runtime::CacheKey>(id: &T, lists: &[&T]) -> usize {
    let _ = id;
    lists.len()
}

#[test]
fn borrowed_types_are_read_together() {
    let _inside = Cache::in_memory().enter();
    assert_eq!(borrowed(&"a", &[&"b"]), 1);
    assert_eq!(borrowed::peek_many([&"a", &"c"]).unwrap(), [Some(1), None]);
}

struct Shop<K>(K);

impl<K: Table> Shop<K> {
    #[read_through(name = "shop_of_tables", companion = false, key = "id", ttl = 60)]
    fn load(id: u64) -> String {
        format!("{} {id}", K::NAME)
    }
}

#[test]
fn given_names_tell_parameters_of_an_impl_apart() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!(Shop::<Users>::load(1), "users 1");
        assert_eq!(Shop::<Orders>::load(1), "orders 1");
    }
}

mod r#type {
    #[cache_runtime::read_through(ttl = 60)]
    pub fn r#match(id: u64) -> u64 {
        id
    }
}

#[test]
fn raw_names_are_written_without_their_mark() {
    let _inside = Cache::in_memory().enter();
    assert_eq!(r#type::r#match(1), 1);
    let key = r#type::r#match::key(1);
    assert_eq!(key, "cache:suite.names.parameters.type.match:1");
}

#[read_through(key = "id", ttl = 60)]
fn converted<F, T, U>(fetch: F, id: T) -> String
where
    F: Fn(U) -> String,
    T: cache_runtime::CacheKey + Copy + Into<U>,
{
    fetch(id.into())
}

#[test]
fn converted_types_of_a_key_share_nothing() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!(converted(|id: u64| format!("u64 {id}"), 7_u32), "u64 7");
        assert_eq!(converted(|id: i64| format!("i64 {id}"), 7_u32), "i64 7");
    }
}
