//! What happened so far, per function.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::spec::Spec;

/// Counts of one cache since it was made, by function. `Display` prints them as a table.
///
/// ```
/// # use cache_runtime::{Cache, read_through};
/// #[read_through(name = "square", ttl = 60)]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// let cache = Cache::in_memory();
/// let _inside = cache.enter();
/// square(4);
/// square(4);
/// let stats = cache.stats();
/// assert_eq!(stats.function("square").unwrap().hits, 1);
/// println!("{stats}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    functions: Vec<FunctionStats>,
}

/// Counts of one annotated function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// The function's name, as its keys begin.
    pub name: String,
    /// Calls that were answered with a stored value.
    pub hits: u64,
    /// Calls that found nothing usable and ran the body.
    pub misses: u64,
    /// Values that the server accepted.
    pub stored: u64,
    /// Stored bytes that could not be read as the function's type; counted among the misses too.
    pub unreadable: u64,
    /// Values that were returned but not stored, since they are too large, no JSON, or live for no
    /// time at all.
    pub unstorable: u64,
    /// Calls that ran the body since the server could not be asked, or the key is too long.
    pub bypassed: u64,
    /// Values that were returned but could not be stored since the server did not take them.
    pub store_failed: u64,
}

impl Stats {
    /// The functions that were called, by name.
    #[must_use]
    pub fn functions(&self) -> &[FunctionStats] {
        &self.functions
    }

    /// The counts of the function with this name, if it was called.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionStats> {
        self.functions.iter().find(|function| function.name == name)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = "function";
        let width = self.functions.iter().map(|of| of.name.len());
        let width = width.max().unwrap_or(0).max(name.len());
        write!(
            f,
            "{name:width$} {:>10} {:>10} {:>10} {:>10}",
            "hits", "misses", "stored", "bypassed"
        )?;
        for of in &self.functions {
            write!(
                f,
                "\n{:width$} {:>10} {:>10} {:>10} {:>10}",
                of.name, of.hits, of.misses, of.stored, of.bypassed
            )?;
        }
        Ok(())
    }
}

/// What one call can add to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Hit,
    Miss,
    Stored,
    Unreadable,
    Unstorable,
    Bypassed,
    StoreFailed,
}

const KINDS: usize = Count::StoreFailed as usize + 1;

/// The live counters of one function.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; KINDS]);

impl Counters {
    pub(crate) fn add(&self, count: Count) {
        self.0[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}

/// The live counters of a cache.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    // A function is its static's address: two functions of one name are counted apart.
    functions: RwLock<HashMap<usize, (&'static str, Arc<Counters>)>>,
}

impl Ledger {
    pub(crate) fn of(&self, spec: &'static Spec) -> Arc<Counters> {
        let address = std::ptr::from_ref(spec) as usize;
        let known = self
            .functions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counters)) = known.get(&address) {
            return counters.clone();
        }
        drop(known);
        let mut functions = self
            .functions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let (_, counters) = functions
            .entry(address)
            .or_insert_with(|| (spec.name, Arc::default()));
        counters.clone()
    }

    pub(crate) fn read(&self) -> Stats {
        let functions = self
            .functions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut functions: Vec<_> = functions
            .values()
            .map(|(name, counters)| FunctionStats {
                name: (*name).to_owned(),
                hits: counters.read(Count::Hit),
                misses: counters.read(Count::Miss),
                stored: counters.read(Count::Stored),
                unreadable: counters.read(Count::Unreadable),
                unstorable: counters.read(Count::Unstorable),
                bypassed: counters.read(Count::Bypassed),
                store_failed: counters.read(Count::StoreFailed),
            })
            .collect();
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Stats { functions }
    }
}
