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
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! Cache::in_memory().install()?; // or Cache::open("redis://127.0.0.1")?
//! load_user(7).await?; // a miss: runs the body, stores the value for 60 seconds
//! load_user(7).await?; // a hit
//! load_user::invalidate(7).await?; // the next call runs the body again
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! [`read_through`] is the attribute and its page the reference of the options; [`Cache`] is the
//! handle to configure once at startup.

mod address;
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
mod json;
mod keep;
mod key;
mod lease;
mod load;
mod lost;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
#[expect(unreachable_pub, reason = "public with the feature")]
mod metrics;
mod near;
mod owed;
mod request;
mod run;
mod slot;
mod spec;
mod stats;
mod store;
#[cfg(any(test, feature = "testing"))]
mod testing;

#[doc(hidden)]
pub mod __private;

pub use address::{Seen, blocking, invalidate, observe, refresh, uncached};
pub use cache::{Blocking, Cache};
pub use cache_macro::{CacheKey, read_through};
pub use config::Config;
pub use current::{Entered, Scoped};
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
