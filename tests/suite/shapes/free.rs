//! Free functions.

use axum::extract::{Path, State};
use cache_runtime::{Cache, CacheKey, read_through};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ran, shapes, three_steps};

shapes! {
    free: free(7), free_sync(7);
    without_arguments: none(), none_sync();
    generic: generic(7_u8, 1_u8), generic_sync(7_u8, 1_u8);
    const_generic: constant::<3>(7), constant_sync::<3>(7);
    lifetimes: lifetimes("a", "b"), lifetimes_sync("a", "b");
    impl_trait: opaque(7_u8, || 1), opaque_sync(7_u8, || 1);
    texts_and_slices: borrowed("a", &[1], Some("b")), borrowed_sync("a", &[1], Some("b"));
    by_value: owned("a".into(), vec![1]), owned_sync("a".into(), vec![1]);
    mutable: mutable(vec![1]), mutable_sync(vec![1]);
    ignored: ignored(7, &mut 1), ignored_sync(7, &mut 1);
    patterns: patterns(Pair(1, "a".into()), &(2, 3)), patterns_sync(Pair(1, "a".into()), &(2, 3));
    fields: fields(&Pair(1, "a".into())), fields_sync(&Pair(1, "a".into()));
    an_expression: expression(7), expression_sync(7);
    question_mark_and_return: fallible("7"), fallible_sync("7");
    nothing_to_return: nothing(7), nothing_sync(7);
    eight_arguments: eight(1, 2, 3, 4, 5, 6, 7, 8), eight_sync(1, 2, 3, 4, 5, 6, 7, 8);
    nine_arguments: nine(1, 2, 3, 4, 5, 6, 7, 8, 9), nine_sync(1, 2, 3, 4, 5, 6, 7, 8, 9);
    instrumented_above: instrumented_above(7), instrumented_above_sync(7);
    instrumented_below: instrumented_below(7), instrumented_below_sync(7);
    attributes: attributes(7, 8), attributes_sync(7, 8);
    without_companion: alone(7), alone_sync(7);
    nested: nested(7), nested_sync(7);
    #[expect(deprecated)]
    deprecated: old(7), old_sync(7);
}

#[read_through(ttl = 60)]
async fn free(id: u64) -> u64 {
    ran(id)
}

#[read_through(ttl = 60)]
fn free_sync(id: u64) -> u64 {
    ran(id)
}

#[read_through]
async fn none() -> u64 {
    ran(1)
}

#[read_through]
fn none_sync() -> u64 {
    ran(1)
}

#[read_through(key = "id")]
async fn generic<K: CacheKey, T>(id: K, value: T) -> T
where
    T: Serialize + DeserializeOwned,
{
    drop(id);
    ran(value)
}

#[read_through(key = "id")]
fn generic_sync<K: CacheKey, T>(id: K, value: T) -> T
where
    T: Serialize + DeserializeOwned,
{
    drop(id);
    ran(value)
}

#[read_through]
#[expect(clippy::too_many_arguments)]
async fn eight(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    ran(a + b + c + d + e + f + g + h)
}

#[read_through]
#[expect(clippy::too_many_arguments)]
fn eight_sync(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    ran(a + b + c + d + e + f + g + h)
}

#[read_through]
#[expect(clippy::too_many_arguments)]
async fn nine(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) -> u8 {
    ran(a + b + c + d + e + f + g + h + i)
}

#[read_through]
#[expect(clippy::too_many_arguments)]
fn nine_sync(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) -> u8 {
    ran(a + b + c + d + e + f + g + h + i)
}

#[read_through]
async fn constant<const N: usize>(id: u8) -> [u8; 2] {
    ran([id, N as u8])
}

#[read_through]
fn constant_sync<const N: usize>(id: u8) -> [u8; 2] {
    ran([id, N as u8])
}

#[read_through]
async fn lifetimes<'a, 'b: 'a>(a: &'a str, b: &'b str) -> String {
    let both: [&'a str; 2] = [a, b];
    ran(both.concat())
}

#[read_through]
fn lifetimes_sync<'a, 'b: 'a>(a: &'a str, b: &'b str) -> String {
    let both: [&'a str; 2] = [a, b];
    ran(both.concat())
}

#[read_through(key = "id")]
async fn opaque(id: impl CacheKey + Into<u64>, more: impl Fn() -> u64) -> u64 {
    ran(id.into() + more())
}

#[read_through(key = "id")]
fn opaque_sync(id: impl CacheKey + Into<u64>, more: impl Fn() -> u64) -> u64 {
    ran(id.into() + more())
}

#[read_through]
async fn borrowed(name: &str, ids: &[u64], tag: Option<&str>) -> usize {
    ran(name.len() + ids.len() + tag.map_or(0, str::len))
}

#[read_through]
fn borrowed_sync(name: &str, ids: &[u64], tag: Option<&str>) -> usize {
    ran(name.len() + ids.len() + tag.map_or(0, str::len))
}

#[read_through]
async fn owned(name: String, ids: Vec<u64>) -> (String, Vec<u64>) {
    ran((name, ids))
}

#[read_through]
fn owned_sync(name: String, ids: Vec<u64>) -> (String, Vec<u64>) {
    ran((name, ids))
}

#[read_through]
async fn mutable(mut ids: Vec<u64>) -> Vec<u64> {
    ids.push(1);
    ran(ids)
}

#[read_through]
fn mutable_sync(mut ids: Vec<u64>) -> Vec<u64> {
    ids.push(1);
    ran(ids)
}

#[read_through]
async fn ignored(id: u64, _: &mut u8) -> u64 {
    ran(id)
}

#[read_through]
fn ignored_sync(id: u64, _: &mut u8) -> u64 {
    ran(id)
}

struct Pair(u64, String);

#[read_through]
async fn patterns(Pair(id, ref name): Pair, &(a, mut b): &(u64, u64)) -> String {
    b += a;
    ran(format!("{id}{name}{b}"))
}

#[read_through]
fn patterns_sync(Pair(id, ref name): Pair, &(a, mut b): &(u64, u64)) -> String {
    b += a;
    ran(format!("{id}{name}{b}"))
}

#[read_through(key = "pair:{pair.0}/{pair.1}")]
async fn fields(pair: &Pair) -> u64 {
    ran(pair.0)
}

#[read_through(key = "pair:{pair.0}/{pair.1}")]
fn fields_sync(pair: &Pair) -> u64 {
    ran(pair.0)
}

#[read_through(key = (id / 2, format!("x{id}")))]
async fn expression(id: u64) -> u64 {
    ran(id)
}

#[read_through(key = (id / 2, format!("x{id}")))]
fn expression_sync(id: u64) -> u64 {
    ran(id)
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[read_through]
async fn fallible(id: &str) -> Result<Option<u64>, Failed> {
    let id = id.parse()?;
    if id > 3 {
        return Ok(Some(ran(id)));
    }
    Err("too small")?
}

#[read_through]
fn fallible_sync(id: &str) -> Result<Option<u64>, Failed> {
    let id = id.parse()?;
    if id > 3 {
        return Ok(Some(ran(id)));
    }
    Err("too small")?
}

#[read_through(cache_unit)]
async fn nothing(id: u64) {
    let _ = ran(id);
}

#[read_through(cache_unit)]
fn nothing_sync(id: u64) {
    let _ = ran(id);
}

#[tracing::instrument]
#[read_through]
async fn instrumented_above(id: u64) -> u64 {
    ran(id)
}

#[tracing::instrument]
#[read_through]
fn instrumented_above_sync(id: u64) -> u64 {
    ran(id)
}

#[read_through]
#[tracing::instrument(skip_all, fields(id))]
async fn instrumented_below(id: u64) -> u64 {
    ran(id)
}

#[read_through]
#[tracing::instrument(skip_all, fields(id))]
fn instrumented_below_sync(id: u64) -> u64 {
    ran(id)
}

/// A comment.
#[cfg(test)]
#[read_through(key = "a")]
#[deny(warnings)]
#[allow(clippy::needless_return, reason = "an early one")]
#[expect(unused_variables)]
#[must_use = "it is loaded"]
#[inline]
async fn attributes(a: u64, b: u64) -> u64 {
    return ran(a);
}

#[cfg(test)]
#[deny(warnings)]
#[expect(unused_variables)]
#[must_use = "it is loaded"]
#[read_through(key = "a")]
fn attributes_sync(a: u64, #[allow(unused_mut)] mut b: u64) -> u64 {
    ran(a)
}

#[read_through(companion = false)]
async fn alone(id: u64) -> u64 {
    ran(id)
}

#[read_through(companion = false)]
fn alone_sync(id: u64) -> u64 {
    ran(id)
}

async fn nested(id: u64) -> u64 {
    #[read_through]
    async fn inner(id: u64) -> u64 {
        ran(id)
    }
    inner(id).await
}

fn nested_sync(id: u64) -> u64 {
    #[read_through]
    fn inner(id: u64) -> u64 {
        ran(id)
    }
    inner(id)
}

#[deprecated]
#[read_through]
async fn old(id: u64) -> u64 {
    ran(id)
}

#[deprecated]
#[read_through]
fn old_sync(id: u64) -> u64 {
    ran(id)
}

#[derive(Clone)]
struct App;

#[axum::debug_handler]
#[read_through(key = "id")]
async fn handler(Path(id): Path<u64>, State(_app): State<App>) -> String {
    ran(format!("user {id}"))
}

#[read_through(key = "id, name")]
#[axum::debug_handler(state = App)]
async fn handler_below(Path((id, name)): Path<(u64, String)>, _: State<App>) -> String {
    ran(format!("user {id} {name}"))
}

#[tokio::test]
async fn a_handler_of_axum_is_a_function_like_any_other() {
    let name = || Path((7, "bob".to_owned()));
    let app = || State(App);
    Cache::in_memory()
        .scope(async {
            let call = async || handler(Path(7), app()).await;
            three_steps(call, async || handler::invalidate(Path(7)).await).await;
            let call = async || handler_below(name(), app()).await;
            three_steps(call, async || handler_below::invalidate(name()).await).await;
            let _router: axum::Router<App> = axum::Router::new()
                .route("/users/{id}", axum::routing::get(handler))
                .route("/users/{id}/{name}", axum::routing::get(handler_below));
        })
        .await;
}
