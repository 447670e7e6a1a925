//! What is done to the crate, and what came of it. The suite asserts on the figures, the drills print
//! them beside what is promised.
//!
//! Some take several processes: `run` starts them by a name, and a process of that name does `work`.

pub mod answers;
pub mod coherence;
pub mod fence;
pub mod fleet;
pub mod frozen;
pub mod leaders;
pub mod slow;

use std::fmt;

/// By which kind of function callers are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Async,
    Sync,
}

/// Those of an async function and those of a sync one each have a row of their own.
pub const KINDS: [Kind; 2] = [Kind::Async, Kind::Sync];

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Async => "async",
            Self::Sync => "sync",
        })
    }
}
