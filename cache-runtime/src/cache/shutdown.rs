//! What a cache leaves undone when it ends.

use std::collections::BTreeSet;

use crate::owed::Owed;
use crate::spec;

/// The invalidations that [`Cache::shutdown`](crate::Cache::shutdown) could not deliver.
///
/// Their old values stay on the server until their time to live ends. A program that cannot accept
/// that writes down what it invalidates in its own database, and repeats it after the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many keys were not invalidated.
    pub pending_invalidations: usize,
    /// The functions of these keys, by the names that [`Stats`](crate::Stats) has, or by the first
    /// parts of the keys where no function of this process has them. Each name is there once.
    pub functions: Vec<String>,
}

impl ShutdownReport {
    pub(super) fn of(owed: &Owed) -> Self {
        let debt = owed.debt();
        let keys = debt.keys();
        let pending_invalidations = keys.len();
        let names: BTreeSet<_> = keys.map(|key| spec::function_of(key.name())).collect();
        Self {
            pending_invalidations,
            functions: names.into_iter().collect(),
        }
    }

    pub(super) fn warn(&self) {
        let Self {
            pending_invalidations,
            functions,
        } = self;
        if *pending_invalidations > 0 {
            tracing::warn!(
                pending_invalidations,
                ?functions,
                "the cache is shut down with invalidations that redis did not take: their old values \
                 stay until they expire"
            );
        }
    }
}
