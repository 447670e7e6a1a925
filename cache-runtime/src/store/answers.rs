//! What a store answers.

use std::time::{Duration, Instant};

use crate::event::EventKind;
use crate::lease::Token;
use crate::run_time::WaitTime;

/// What stands under a key, and for how long yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) left: Left,
    pub(crate) waited: Waited,
    /// The near tier will be told when this changes.
    pub(crate) watched: bool,
}

/// How long the server was waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Waited {
    #[default]
    Never,
    /// Since then, by a thread that asked for itself.
    Since(Instant),
    /// So long, by a task that asked for itself; the last piece of that ends now.
    Polled(WaitTime),
    /// For so long, by whoever asked for many. How long it takes until each of them is told says nothing of
    /// the server.
    For(Duration),
}

impl Waited {
    pub(crate) fn time(self) -> Duration {
        match self {
            Self::Never => Duration::ZERO,
            Self::Since(asked) => asked.elapsed(),
            Self::Polled(wait) => wait.by_now(),
            Self::For(time) => time,
        }
    }
}

/// How long a value stays yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was gone when this was asked, or it was not asked.
    #[default]
    Unknown,
    Forever,
    For(Duration),
}

/// What came of asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leased {
    Ours,
    /// Somebody holds it with this token.
    Held(Token),
    /// There is a value instead.
    Value(Vec<u8>),
    /// There is something that is no string and so was never ours.
    Foreign,
    /// The server does not let leases be kept, so there are none.
    Unfenced,
}

/// What became of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalidated {
    /// A value was there, or the lease of a load, and is gone.
    Removed,
    /// There was nothing to remove.
    Absent,
    /// The server is away, or takes no writes: the invalidation is owed. Until it was made up for,
    /// which is tried before anything else on the next connection and then again and again, this
    /// process does not read the key; other processes may.
    Queued,
}

impl Invalidated {
    pub(crate) fn event(self) -> EventKind {
        match self {
            Self::Removed | Self::Absent => EventKind::Invalidated,
            Self::Queued => EventKind::Owed,
        }
    }
}

/// Where a token stands: in the place of the value, or beside a value that is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Lease,
    Refresh,
}
