//! Which loads the code that runs here is part of, and which loads wait for which.
//!
//! A call from within a load must not wait for that load: neither directly, nor by a ring of loads that
//! wait for each other. The chain is the one of the poll, or of the thread; [`Chain`] carries it to
//! another task or thread that the load waits for.

mod waits;

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

pub(crate) use self::waits::wait_for;
use crate::key::Key;

/// One value while it is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LoadId {
    /// The cache, by its address: a load keeps its cache.
    cache: usize,
    key: Key,
}

impl LoadId {
    pub(crate) fn new(cache: usize, key: Key) -> Self {
        Self { cache, key }
    }

    fn is(&self, cache: usize, key: &Key) -> bool {
        self.cache == cache && self.key == *key
    }
}

thread_local! {
    /// The loads that the code on this thread is part of right now, the innermost last.
    static LOADS: RefCell<Vec<Arc<LoadId>>> = const { RefCell::new(Vec::new()) };
}

/// Returns whether the code that runs here is part of a load of this key.
pub(crate) fn contains(cache: usize, key: &Key) -> bool {
    LOADS
        .try_with(|loads| loads.borrow().iter().any(|load| load.is(cache, key)))
        .unwrap_or(false)
}

/// While this lives, the code on this thread is part of one load more, or of several.
#[derive(Debug)]
#[must_use]
pub(crate) struct Within {
    loads: usize,
}

/// Begins a section of a load.
pub(crate) fn enter(load: &Arc<LoadId>) -> Within {
    let entered = LOADS.try_with(|loads| loads.borrow_mut().push(load.clone()));
    Within {
        loads: usize::from(entered.is_ok()),
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        if self.loads == 0 {
            return;
        }
        let _ = LOADS.try_with(|loads| {
            let mut loads = loads.borrow_mut();
            let remaining = loads.len().saturating_sub(self.loads);
            loads.truncate(remaining);
        });
    }
}

/// The loads that some code is part of, to be entered elsewhere.
///
/// A load that is over is no longer part of it: a task that outlives the load waits for later loads like
/// any other.
#[derive(Clone, Default)]
pub(crate) struct Chain(Vec<Weak<LoadId>>);

impl Chain {
    /// The chain of the code that runs here.
    pub(crate) fn current() -> Self {
        let chain = LOADS.try_with(|loads| loads.borrow().iter().map(Arc::downgrade).collect());
        Self(chain.unwrap_or_default())
    }

    pub(crate) fn enter(&self) -> Within {
        if self.0.is_empty() {
            return Within { loads: 0 };
        }
        let entered = LOADS.try_with(|loads| {
            let mut loads = loads.borrow_mut();
            let before = loads.len();
            loads.extend(self.0.iter().filter_map(Weak::upgrade));
            loads.len() - before
        });
        Within {
            loads: entered.unwrap_or(0),
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&self.0.len()).finish()
    }
}
