//! The verbs of a cache for programs without a runtime.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cache, ShutdownReport};
use crate::error::Error;
use crate::exec;
use crate::key::AsKey;
use crate::store::Invalidated;

/// The verbs of a [`Cache`] that wait on the calling thread, without a runtime and inside of any;
/// made by [`Cache::blocking`]. Inside an async function use the cache's own verbs instead, since
/// these keep its runtime from doing anything else meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Blocking<'a> {
    cache: &'a Cache,
}

impl<'a> Blocking<'a> {
    pub(super) fn new(cache: &'a Cache) -> Self {
        Self { cache }
    }

    /// As [`Cache::ping`].
    ///
    /// # Errors
    /// As [`Cache::ping`].
    pub fn ping(&self) -> Result<(), Error> {
        exec::wait(self.cache.ping())
    }

    /// As [`Cache::get`].
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, Error> {
        exec::wait(self.cache.get(key))
    }

    /// As [`Cache::set`].
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub fn set<T: Serialize + ?Sized>(
        &self,
        key: impl AsKey,
        value: &T,
        ttl: Option<Duration>,
    ) -> Result<(), Error> {
        exec::wait(self.cache.set(key, value, ttl))
    }

    /// As [`Cache::invalidate`].
    ///
    /// # Errors
    /// As [`Cache::invalidate`].
    pub fn invalidate(&self, key: impl AsKey) -> Result<Invalidated, Error> {
        exec::wait(self.cache.invalidate(key))
    }

    /// As [`Cache::shutdown`].
    pub fn shutdown(&self) -> ShutdownReport {
        exec::wait(self.cache.shutdown())
    }
}
