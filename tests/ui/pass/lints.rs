//! No lint speaks of what the attribute writes.

#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    warnings,
    unused,
    future_incompatible,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    let_underscore_drop,
    missing_copy_implementations,
    missing_debug_implementations,
    private_bounds,
    private_interfaces,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results
)]
#![allow(unreachable_pub, reason = "a program has nothing to reach")]
#![no_implicit_prelude]

use ::cache_runtime::{CacheKey, read_through};
use ::std::clone::Clone;
use ::std::convert::From;
use ::std::option::Option::{self, Some};
use ::std::result::Result::{self, Ok};
use ::std::string::String;
use ::std::vec::Vec;

/// A constant.
pub const VERSION: u64 = 3;
const SMALL: u16 = 3;

/// # Errors
/// Never.
#[read_through(key = "id", ttl = 60)]
pub async fn plain(id: u64) -> Result<u64, String> {
    Ok(id)
}

/// By reference.
#[read_through(key = "name", version = VERSION)]
pub async fn by_reference(name: &str, _db: u8) -> Option<u64> {
    Some(name.len() as u64)
}

/// By closure.
#[read_through(key = "id", ttl = |n: &u64| *n + 1, store_if = |n| *n > 3, version = SMALL)]
pub async fn by_closure(id: u64) -> Option<u64> {
    Some(id)
}

/// By expression, and sync.
#[read_through(ttl = id + 1, none = true, jitter = "10%")]
#[must_use]
pub fn by_expression(id: u64, mut more: Vec<u64>, other: Option<&str>) -> Option<u64> {
    more.push(id + other.map_or(0, str::len) as u64);
    more.pop()
}

/// Nothing to return.
#[read_through(cache_unit)]
pub async fn nothing(id: u64) {
    let _ = id;
}

/// A struct.
#[derive(::std::fmt::Debug, Clone, Copy, CacheKey)]
pub struct Page {
    /// A number.
    pub number: u64,
    /// A size.
    pub size: u8,
}
use ::std::marker::Copy;

/// An enum.
#[derive(::std::fmt::Debug, Clone, CacheKey)]
pub enum Kind<T> {
    /// None.
    Empty,
    /// Two.
    Pair(T, String),
    /// One.
    Named {
        /// It.
        value: T,
    },
}

/// Fields.
#[read_through(key = "{page.number}:{page.size}")]
pub async fn by_fields(page: Page) -> u64 {
    page.number
}

/// Patterns.
#[read_through]
pub async fn by_patterns(Page { number, size }: Page, (a, b): (u64, &str), _: u8) -> u64 {
    number + u64::from(size) + a + b.len() as u64
}

/// Lifetimes.
#[read_through(key = "a")]
pub async fn by_lifetimes<'a, 'b: 'a>(a: &'a str, b: &'b str) -> usize {
    let other: &'b str = b;
    let both: [&'a str; 2] = [a, other];
    both.len()
}

/// Generics.
#[read_through(key = "id")]
pub async fn by_generics<T, const N: usize>(id: T) -> [u8; 2]
where
    T: CacheKey + ::std::marker::Send + ::std::marker::Sync,
{
    let _ = &id;
    [1, 2]
}

/// What is deprecated warns where it is used, and not where it is written.
#[read_through(key = "id")]
#[deprecated]
pub async fn old(id: u64) -> u64 {
    id
}

/// What is expected is met.
#[expect(unused_variables)]
#[read_through(key = "a")]
pub async fn expects(a: u64, b: u64) -> u64 {
    a
}

/// A type with the name of a constant parameter.
#[derive(::std::fmt::Debug, Clone, Copy)]
pub struct N;

/// A constant parameter with the name of a type.
#[derive(::std::fmt::Debug, Clone, Copy, CacheKey)]
pub struct Bytes<const N: usize> {
    /// Their number.
    pub of: [u8; N],
}

/// What is allowed is allowed.
#[allow(clippy::type_complexity)]
#[read_through(key = "id")]
pub async fn complex(id: u64) -> Result<Option<Vec<Vec<Vec<Option<(u64, Option<Vec<u64>>)>>>>>, N> {
    let _ = id;
    Ok(Some(Vec::new()))
}

#[read_through(key = "id")]
async fn private(id: u64) -> u64 {
    id
}

/// A struct.
#[derive(::std::fmt::Debug, Clone, Copy)]
pub struct Repo;

impl Repo {
    /// Async.
    #[read_through(key = "id", ttl = id, store_if = |n| *n > 1)]
    pub async fn get(&self, id: u64, mut more: Vec<u8>, (a, b): (u8, u8), _: &str) -> u8 {
        more.push(a);
        more.pop().map_or(b, |last| last)
    }

    /// Sync.
    #[read_through(key = "id")]
    #[must_use]
    pub fn get_sync(&self, id: u64) -> u64 {
        if id > 3 {
            return 4;
        }
        id
    }

    /// Nothing to return.
    #[read_through(key = "id", cache_unit)]
    pub fn nothing(&self, id: u64) {
        #![allow(unused_variables)]
        let inner = id;
    }
}

fn main() {
    ::std::mem::drop(private(3));
}
