//! What a cache leaves undone when it ends.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Cache;
use crate::exec;
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

impl Cache {
    /// Ends the cache: loads and refreshes under way are waited for, 5 seconds at most, owed
    /// invalidations are tried once more, and the connections are closed. Then verbs are refused, and annotated
    /// functions run their bodies.
    ///
    /// Returns the invalidations that the server did not take. They end with this process, and one
    /// warning gives their number and their functions.
    pub async fn shutdown(&self) -> ShutdownReport {
        const LONGEST: Duration = Duration::from_secs(5);
        if self.is_forked() {
            return ShutdownReport::default();
        }
        let (permits, board) = (self.shared.permits.clone(), self.shared.board.clone());
        let drained = async move {
            permits.drained().await;
            // Detached loads, and those of other callers.
            while !board.is_empty() {
                exec::sleep(Duration::from_millis(2)).await;
            }
        };
        exec::within(LONGEST, drained).await;
        let was_open = !self.shared.closed.swap(true, Ordering::AcqRel);
        self.shared.near.close();
        self.shared.store.close().await;
        let report = ShutdownReport::of(&self.shared.owed);
        if was_open {
            report.warn();
        }
        report
    }
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
