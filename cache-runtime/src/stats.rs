//! What happened so far, per function.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::event::{Counters, EventKind};
use crate::spec::Spec;

/// Counts of one cache since it was made, by function, and the state of its server. `Display`
/// prints them as a table, with what went wrong below the row of each function.
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
    server: ServerStats,
}

/// How the server is, as far as this cache knows. Of a cache in memory, always well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// It does not answer, or refuses everything: until a probe in the background finds it well
    /// again, calls run their bodies at once.
    pub away: bool,
    /// How often it went away.
    pub outages: u64,
    /// It takes writes. One that is full or read-only does not: then what is stored is still
    /// served, and what is loaded is returned but not stored. That one node of a cluster takes none is
    /// its own matter, and not told of here.
    pub takes_writes: bool,
    /// Invalidations that it has yet to be told of.
    pub owed: usize,
}

impl Default for ServerStats {
    fn default() -> Self {
        Self {
            away: false,
            outages: 0,
            takes_writes: true,
            owed: 0,
        }
    }
}

macro_rules! function_stats {
    ($($(#[$doc:meta])* $field:ident = $kind:ident,)*) => {
        /// Counts of one annotated function.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct FunctionStats {
            /// The function's name, as its keys begin.
            pub name: String,
            $($(#[$doc])* pub $field: u64,)*
        }

        impl FunctionStats {
            fn read(counters: &Counters) -> Self {
                Self {
                    name: counters.function.to_owned(),
                    $($field: counters.read(EventKind::$kind),)*
                }
            }
        }
    };
}

function_stats! {
    /// Calls that were answered with a copy in this process.
    near = Near,
    /// Calls that were answered with a stored value.
    hits = Hit,
    /// Calls that were answered with a stored value past its time to live.
    stale = Stale,
    /// Calls that found nothing usable.
    misses = Miss,
    /// Calls that were answered with what another call or another process loaded meanwhile.
    joined = Joined,
    /// Bodies that ran and could store what they returned.
    loads = Led,
    /// Values that the server accepted.
    stored = Filled,
    /// Values that were returned but not stored, since their key was invalidated meanwhile.
    refused = Refused,
    /// Leases that were given back, since the body gave nothing to store or its caller left.
    released = Released,
    /// Values that were returned but not stored, since the server did not take them.
    store_failed = Failed,
    /// Values that were returned but not stored, since they are too large, are not read back equal from
    /// their JSON (`NaN`, `Some(None)`, a field with `skip_serializing`), or live for no time at all.
    unstorable = Unstorable,
    /// Stored bytes that could not be read as the function's type.
    unreadable = Unreadable,
    /// Bodies that ran past the cache: the server could not be asked, the cache was shut down, the key
    /// is too long or its invalidation owed, the body called itself, or others were waited for in
    /// vain.
    bypassed = Bypassed,
    /// Refreshes behind their callers.
    refreshes = Refreshing,
    /// Refreshes behind their callers that failed.
    refreshes_failed = RefreshFailed,
    /// Invalidations by the companion, or by the call.
    invalidated = Invalidated,
}

impl FunctionStats {
    /// What went wrong, by name, as far as anything did.
    fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("unstorable", self.unstorable),
            ("store_failed", self.store_failed),
            ("unreadable", self.unreadable),
            ("refused", self.refused),
            ("refreshes_failed", self.refreshes_failed),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl Stats {
    /// The functions that were called, by name.
    #[must_use]
    pub fn functions(&self) -> &[FunctionStats] {
        &self.functions
    }

    /// How the server is.
    #[must_use]
    pub fn server(&self) -> ServerStats {
        self.server
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
            "{name:width$} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "near", "hits", "stale", "misses", "joined", "loads", "stored", "bypassed"
        )?;
        for of in &self.functions {
            write!(
                f,
                "\n{:width$} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
                of.name,
                of.near,
                of.hits,
                of.stale,
                of.misses,
                of.joined,
                of.loads,
                of.stored,
                of.bypassed
            )?;
            let mut before = "\n  ";
            for (name, count) in of.failures() {
                write!(f, "{before}{name} {count}")?;
                before = ", ";
            }
        }
        match self.server {
            ServerStats { away: true, .. } => f.write_str("\nthe server is away"),
            ServerStats {
                takes_writes: false,
                ..
            } => f.write_str("\nthe server takes no writes"),
            _ => Ok(()),
        }
    }
}

/// The live counters of a cache.
#[derive(Debug)]
pub(crate) struct Ledger {
    number: u64,
    /// The prefix of the cache.
    cache: String,
    // A function is its static's address: two functions of one name are counted apart.
    functions: Mutex<HashMap<usize, Arc<Counters>>>,
}

/// The counters of a function in the first cache that it is called with: most programs have one,
/// and find them here without a lock.
pub(crate) type Home = OnceLock<(u64, Arc<Counters>)>;

/// The counters of one function in one cache.
#[derive(Clone, Debug)]
pub(crate) enum Counted {
    Home(&'static Counters),
    Elsewhere(Arc<Counters>),
}

impl Deref for Counted {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        match self {
            Self::Home(counters) => counters,
            Self::Elsewhere(counters) => counters,
        }
    }
}

impl Ledger {
    pub(crate) fn new(cache: &str) -> Self {
        static LEDGERS: AtomicU64 = AtomicU64::new(0);
        Self {
            number: LEDGERS.fetch_add(1, Ordering::Relaxed),
            cache: cache.to_owned(),
            functions: Mutex::default(),
        }
    }

    pub(crate) fn of(&self, spec: &'static Spec) -> Counted {
        let (number, counters) = match spec.home.get() {
            Some(home) => home,
            // What counts them is the user's, so they are not made where others wait.
            None => {
                let counters = self.find(spec);
                spec.home.get_or_init(|| (self.number, counters))
            }
        };
        if *number == self.number {
            return Counted::Home(counters);
        }
        Counted::Elsewhere(self.find(spec))
    }

    fn find(&self, spec: &'static Spec) -> Arc<Counters> {
        let address = std::ptr::from_ref(spec) as usize;
        if let Some(counters) = self.functions().get(&address) {
            return counters.clone();
        }
        let counters = Arc::new(Counters::new(&self.cache, spec.name()));
        let mut functions = self.functions();
        functions.entry(address).or_insert(counters).clone()
    }

    fn functions(&self) -> MutexGuard<'_, HashMap<usize, Arc<Counters>>> {
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, server: ServerStats) -> Stats {
        let mut functions: Vec<_> = self
            .functions()
            .values()
            .map(|of| FunctionStats::read(of))
            .collect();
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Stats { functions, server }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_function_and_below_it_what_went_wrong() {
        let well = FunctionStats {
            name: "well".to_owned(),
            hits: 3,
            stale: 2,
            ..FunctionStats::default()
        };
        let ill = FunctionStats {
            name: "ill".to_owned(),
            loads: 9,
            unstorable: 1,
            store_failed: 2,
            unreadable: 3,
            refused: 4,
            refreshes_failed: 5,
            ..FunctionStats::default()
        };
        let stats = Stats {
            functions: vec![ill, well],
            server: ServerStats::default(),
        };
        let shown = stats.to_string();
        let expected = [
            "function near hits stale misses joined loads stored bypassed",
            "ill 0 0 0 0 0 9 0 0",
            "unstorable 1, store_failed 2, unreadable 3, refused 4, refreshes_failed 5",
            "well 0 3 2 0 0 0 0 0",
        ];
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = shown.lines().map(words).collect();
        assert_eq!(lines, expected, "{shown}");
    }
}
