//! One line above a function, and its answers live in Redis.
//!
//! ```
//! use cache_runtime::{Cache, read_through};
//!
//! #[read_through(key = "user_id", ttl = 60)]
//! async fn load_user(user_id: u64) -> Result<String, std::io::Error> {
//!     Ok(format!("user {user_id}")) // the slow part
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     Cache::open("memory://")?.install()?; // or "redis://127.0.0.1"
//!     load_user(7).await?; // a miss: runs the body, stores its value for 60 seconds
//!     load_user(7).await?; // a hit: the body does not run
//!     load_user::invalidate(7).await?; // the next call runs it again
//!     Ok(())
//! }
//! ```
//!
//! Callers who miss together wait for one of them, in the process and across processes. What was read
//! before an invalidation is never stored after it. Whatever happens to Redis, the caller gets what the
//! body returns. Sync functions, methods and trait objects are cached in the same way.
//!
//! # Where to read on
//!
//! * [The options](macro@read_through) of the attribute, each with an example.
//! * [The guide](guide): [a service](guide::start) from start to shutdown, [keys](guide::keys),
//!   [freshness](guide::freshness), [stampedes](guide::stampedes), [invalidation](guide::invalidation)
//!   and transactions, [near copies](guide::near), [faults](guide::faults), [testing](guide::testing),
//!   [observability](guide::observability), [other languages](guide::sharing),
//!   [what is not promised](guide::limits), [troubleshooting](guide::troubleshooting),
//!   [migrating](guide::migrating) from `cached` or moka.
//! * [`Cache`], the handle: open one at the start, install it, shut it down.
//! * [`Config`], its knobs, the forms of URLs, and the rights that a cache needs on a server.
//!
//! # Features
//!
//! None is on by default; they add, and each works alone.
//!
//! | feature | |
//! |---|---|
//! | `cluster` | Redis Cluster, `redis+cluster://` |
//! | `sentinel` | a master behind sentinels, `redis+sentinel://` |
//! | `tls-rustls` | TLS by rustls, `rediss://` |
//! | `tls-native` | TLS by the system's library, `rediss://` |
//! | `uuid`, `chrono`, `time` | types of those crates in keys |
//! | `metrics` | counters, gauges and a histogram by the `metrics` crate |
//! | `testing` | a cache in memory that fails as told, `Cache::failing` |
//!
//! # Versions
//!
//! Rust 1.88 or newer, Redis 6.0 or newer. By [Semantic Versioning](https://semver.org), a change of a
//! public item, of the encoding of keys or of what is stored under them is a breaking one; a newer minimum
//! of Rust is a minor one. The attribute's crate has the same version, and its use through hidden items
//! is its own.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod answer;
mod behind;
mod body;
mod breaker;
mod cache;
mod call;
mod companion;
mod config;
mod current;
mod error;
mod event;
mod exec;
mod flight;
#[cfg(test)]
mod fuzz;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod json;
mod keep;
mod key;
mod lease;
mod load;
mod load_chain;
mod lookup;
mod lost;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
#[expect(unreachable_pub, reason = "public with the feature")]
mod metrics;
mod near;
mod owed;
mod place;
mod request;
mod run;
mod run_time;
mod size;
mod slot;
mod spec;
mod stats;
mod store;
mod tally;
#[cfg(any(test, feature = "testing"))]
mod testing;

#[doc(hidden)]
pub mod __private;

pub use address::{Seen, blocking, invalidate, observe, refresh, uncached};
pub use cache::{Blocking, Cache, ShutdownReport};
pub use cache_macro::{CacheKey, read_through};
pub use config::Config;
pub use current::{Entered, Inherited, Scoped};
pub use deadpool_redis::Pool;
pub use error::{Error, ErrorKind};
pub use event::{Event, EventKind, Listening};
pub use json::Cacheable;
pub use key::{AsKey, CacheKey, Key, KeyArg, KeyWriter};
pub use stats::{FunctionStats, ServerStats, Stats};
pub use store::Invalidated;
#[cfg(any(test, feature = "testing"))]
pub use testing::Faults;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The macro crate cannot run the examples of its own pages.
#[cfg(doctest)]
mod attributes {
    #[doc = include_str!("../../cache-macro/src/read_through.md")]
    struct ReadThrough;

    #[doc = include_str!("../../cache-macro/src/cache_key.md")]
    struct CacheKey;
}
