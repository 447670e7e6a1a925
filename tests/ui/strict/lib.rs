//! Nothing that the attribute and the derive write speaks to the lints of a strict crate: with every
//! lint of these groups denied, without a prelude, under another name of the dependency. `.ci/strict`
//! compiles it on each edition.

#![forbid(unsafe_code)]
#![deny(
    ambiguous_negative_literals,
    closure_returning_async_block,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    future_incompatible,
    impl_trait_redundant_captures,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    private_bounds,
    private_interfaces,
    redundant_lifetimes,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    rustdoc::all,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unused,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    warnings
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::cargo)]
#![allow(clippy::cargo_common_metadata, clippy::multiple_crate_versions)]
#![no_implicit_prelude]

use ::std::clone::Clone;
use ::std::cmp::{Eq, PartialEq};
use ::std::convert::From;
use ::std::marker::Copy;
use ::std::option::Option::{self, Some};
use ::std::result::Result::{self, Ok};
use ::std::string::String;
use ::std::sync::Arc;
use ::std::vec::Vec;

/// A result.
///
/// # Errors
/// Never.
#[::cc::read_through(key = "id", ttl = 60, crate = ::cc)]
pub async fn load(id: u64) -> Result<u64, String> {
    ::std::future::ready(()).await;
    Ok(id)
}
/// By reference.
#[::cc::read_through(key = "name", ttl = 60, version = VERSION, crate = ::cc)]
pub async fn by_name(name: &str) -> Option<u64> {
    ::std::future::ready(()).await;
    Some(name.len() as u64)
}
/// A version.
pub const VERSION: u64 = 3;
const SMALL: u16 = 3;
/// By closure.
#[::cc::read_through(key = "id", ttl = |n: &u64| *n + 1, store_if = |n| *n > 3, version = SMALL, crate = ::cc)]
pub async fn closure(id: u64) -> Option<u64> {
    ::std::future::ready(()).await;
    Some(id)
}
/// By expression.
#[::cc::read_through(ttl = id + 1, none = true, jitter = "10%", crate = ::cc)]
#[must_use]
pub fn expr(id: u64, mut more: Vec<u64>, opt: Option<&str>) -> Option<u64> {
    more.push(id);
    let _ = opt;
    more.pop()
}
/// Sync.
#[::cc::read_through(crate = "::cc")]
#[must_use]
pub fn square(n: u32) -> u32 {
    n * n
}
/// Nothing to return.
#[::cc::read_through(cache_unit, crate = ::cc)]
pub async fn nothing(id: u64) {
    ::std::future::ready(()).await;
    let _ = id;
}
/// Nothing to return.
#[::cc::read_through(cache_unit, crate = ::cc)]
pub fn nothing_sync(id: u64) {
    let _ = id;
}
/// A type.
#[derive(::std::fmt::Debug, Clone, ::cc::CacheKey, Copy, PartialEq, Eq)]
#[cache_key(crate = ::cc)]
pub struct Page {
    /// A part.
    pub number: u64,
    /// Sync.
    pub size: u8,
}
/// A type.
#[derive(::std::fmt::Debug, Clone, ::cc::CacheKey)]
#[cache_key(crate = ::cc)]
pub enum Kind<T> {
    /// A part.
    One,
    /// A part.
    Two(T, String),
    /// A part.
    Three {
        /// A part.
        a: T,
    },
}
/// Fields.
#[::cc::read_through(key = "{page.number}:{page.size}", crate = ::cc)]
pub async fn fields(page: Page) -> u64 {
    ::std::future::ready(()).await;
    page.number
}
/// Patterns.
#[::cc::read_through(crate = ::cc)]
pub async fn patterns(Page { number, size }: Page, (a, b): (u64, &str), _: u8) -> u64 {
    ::std::future::ready(()).await;
    number + u64::from(size) + a + b.len() as u64
}
/// Expressions.
#[::cc::read_through(key = (page.number + 1, names.len()), crate = ::cc)]
pub async fn expression(page: &Page, names: Vec<String>) -> u64 {
    ::std::future::ready(()).await;
    names.len() as u64 + page.number
}
/// Behind the caller, by value and by reference.
#[::cc::read_through(key = "id", ttl = 60, stale = "5m", lease = "2s", follow = "1s", crate = ::cc)]
pub async fn behind(id: u64, name: &str, mut more: Vec<u8>) -> u64 {
    ::std::future::ready(()).await;
    more.push(1);
    id + name.len() as u64 + more.len() as u64
}

/// Behind the caller, sync.
#[::cc::read_through(key = "id", ttl = 60, stale = "5m", lease = false, crate = ::cc)]
#[must_use]
pub fn behind_sync(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

/// Names that are keywords.
#[::cc::read_through(key = "type", ttl = 60, stale = "5m", detach, crate = ::cc)]
pub async fn keywords(r#type: u64, r#ref: &str) -> u64 {
    ::std::future::ready(()).await;
    r#type + r#ref.len() as u64
}

/// Without the caller.
#[::cc::read_through(key = "id", detach, crate = ::cc)]
pub async fn detached(id: u64, names: &[String]) -> u64 {
    ::std::future::ready(()).await;
    id + names.len() as u64
}

/// A type with methods.
#[derive(::std::fmt::Debug, Clone, Copy)]
pub struct Repo;
impl Repo {
    /// Behind the caller, by a copy.
    #[::cc::read_through(key = "id", ttl = 60, stale = "5m", detach, crate = ::cc)]
    pub async fn behind(&self, id: u64, name: &str) -> u64 {
        ::std::future::ready(()).await;
        self.gets(id) + name.len() as u64
    }
    /// Behind the caller, sync.
    #[::cc::read_through(key = "id", ttl = 60, stale = "5m", crate = ::cc)]
    #[must_use]
    pub fn behind_sync(&self, id: u64) -> u64 {
        self.gets(id)
    }
    /// Behind the caller, shared.
    #[::cc::read_through(key = "id", ttl = 60, stale = "5m", crate = ::cc)]
    pub async fn shared(self: Arc<Self>, id: u64) -> u64 {
        ::std::future::ready(()).await;
        self.gets(id)
    }
    /// Async.
    #[::cc::read_through(key = "id", crate = ::cc)]
    pub async fn get(&self, id: u64) -> u64 {
        ::std::future::ready(()).await;
        id
    }
    /// Async.
    #[::cc::read_through(key = "id", ttl = id, store_if = |n| *n > 1, crate = ::cc)]
    pub async fn nothing(&self, id: u64, mut more: Vec<u8>, (a, b): (u8, u8)) -> u8 {
        ::std::future::ready(()).await;
        more.push(a);
        more.pop().map_or(b, |last| last)
    }
    /// Async.
    #[::cc::read_through(key = "id", cache_unit, crate = ::cc)]
    pub async fn unit(self, id: u64) {
        ::std::future::ready(()).await;
    }
    /// Sync.
    #[::cc::read_through(key = "id", crate = ::cc)]
    #[must_use]
    pub fn gets(&self, id: u64) -> u64 {
        if id > 3 {
            return 4;
        }
        id
    }
    /// Sync.
    #[::cc::read_through(key = "id", cache_unit, crate = ::cc)]
    pub fn units(&self, id: u64) {}
}
/// A trait.
pub trait Load {
    /// Async.
    fn get(&self, id: u64) -> impl ::std::future::Future<Output = u64> + ::std::marker::Send;
}
impl Load for Repo {
    #[::cc::read_through(key = "id", crate = ::cc)]
    async fn get(&self, id: u64) -> u64 {
        ::std::future::ready(()).await;
        id
    }
}
/// Generics.
#[::cc::read_through(key = "id", crate = ::cc)]
pub async fn generic<T, const N: usize>(id: T) -> [u8; 2]
where
    T: ::cc::CacheKey + ::std::marker::Send + ::std::marker::Sync,
{
    ::std::future::ready(()).await;
    let _ = &id;
    [1, 2]
}
/// Lifetimes.
#[::cc::read_through(key = "a", crate = ::cc)]
pub async fn lifetimes<'a, 'b: 'a>(a: &'a str, b: &'b str) -> usize {
    ::std::future::ready(()).await;
    let other: &'b str = b;
    let both: [&'a str; 2] = [a, other];
    both.len() + a.len() + b.len()
}
/// A boxed future.
#[::cc::read_through(key = "id", crate = ::cc)]
#[must_use]
pub fn boxed(
    id: u64,
    name: &str,
) -> ::std::pin::Pin<
    ::std::boxed::Box<dyn ::std::future::Future<Output = u64> + ::std::marker::Send + '_>,
> {
    ::std::boxed::Box::pin(async move { id + name.len() as u64 })
}
/// Without a companion.
#[::cc::read_through(key = "id", crate = ::cc, companion = false)]
pub async fn alone(id: u64) -> u64 {
    ::std::future::ready(()).await;
    id
}
#[::cc::read_through(key = "id", crate = ::cc)]
async fn private(id: u64) -> u64 {
    ::std::future::ready(()).await;
    id
}
/// What calls the private one.
pub async fn public() -> u64 {
    private(3).await
}
/// Raw names.
#[::cc::read_through(key = "match", crate = ::cc)]
pub async fn r#type(r#match: u64) -> u64 {
    ::std::future::ready(()).await;
    r#match
}
