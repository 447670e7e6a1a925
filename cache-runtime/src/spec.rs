//! What an annotated function is: the constants that its attribute gave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::key::is_plain;
use crate::stats::Home;

/// One annotated function. The attribute makes a static of it.
#[derive(Debug)]
pub struct Spec {
    pub(crate) name: &'static str,
    pub(crate) version: u64,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) ttl: Option<Duration>,
    pub(crate) none: Absence,
    pub(crate) jitter_percent: u8,
    pub(crate) stale: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) follow: Duration,
    /// With copies in the process, each for so long at most.
    pub(crate) near: Option<Duration>,
    pub(crate) home: Home,
    /// Nothing in the name needs to be escaped.
    pub(crate) is_plain: bool,
    /// Stored values of which the text of `Debug` could be compared.
    shown: AtomicU32,
}

/// What becomes of a returned `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It is returned and not stored.
    Passed,
    /// It is stored like a value.
    Stored,
    /// It is stored with a time to live of its own.
    StoredFor(Duration),
}

impl Spec {
    /// How long a lease lives if its holder dies. Short, since the fleet waits for it; a holder that
    /// lives extends it.
    pub(crate) const LEASE: Duration = Duration::from_secs(3);

    /// A function of this name, found at this place of the source.
    #[must_use]
    pub const fn new(name: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            name,
            version: 0,
            file,
            line,
            ttl: None,
            none: Absence::Passed,
            jitter_percent: 0,
            stale: None,
            lease: Some(Self::LEASE),
            follow: Duration::from_secs(10),
            near: None,
            home: Home::new(),
            is_plain: is_plain(name),
            shown: AtomicU32::new(0),
        }
    }

    /// Whether the text of `Debug` is compared this time. That takes longer than all the rest, and what
    /// it finds is a matter of the type more than of one value.
    pub(crate) fn shows_this_one(&self) -> bool {
        const FIRST: u32 = 16;
        const THEN_ONE_IN: u32 = 64;
        let shown = self.shown.fetch_add(1, Ordering::Relaxed);
        shown < FIRST || shown.is_multiple_of(THEN_ONE_IN)
    }

    pub(crate) fn passes_over_absence(&self) -> bool {
        self.none == Absence::Passed
    }

    /// The option `version`; zero is not shown in keys.
    #[must_use]
    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The option `ttl`, where it is known at compile time.
    #[must_use]
    pub const fn ttl_millis(mut self, millis: u64) -> Self {
        self.ttl = Some(Duration::from_millis(millis));
        self
    }

    /// The option `none = true`.
    #[must_use]
    pub const fn none(mut self) -> Self {
        self.none = Absence::Stored;
        self
    }

    /// The option `none` with a duration.
    #[must_use]
    pub const fn none_millis(mut self, millis: u64) -> Self {
        self.none = Absence::StoredFor(Duration::from_millis(millis));
        self
    }

    /// The option `stale`.
    #[must_use]
    pub const fn stale_millis(mut self, millis: u64) -> Self {
        self.stale = Some(Duration::from_millis(millis));
        self
    }

    /// The option `lease = false`.
    #[must_use]
    pub const fn no_lease(mut self) -> Self {
        self.lease = None;
        self
    }

    /// The option `lease` with a duration.
    #[must_use]
    pub const fn lease_millis(mut self, millis: u64) -> Self {
        self.lease = Some(Duration::from_millis(millis));
        self
    }

    /// The option `follow`.
    #[must_use]
    pub const fn follow_millis(mut self, millis: u64) -> Self {
        self.follow = Duration::from_millis(millis);
        self
    }

    /// The option `near`.
    #[must_use]
    pub const fn near(mut self) -> Self {
        self.near = Some(Duration::MAX);
        self
    }

    /// The option `near` with a duration.
    #[must_use]
    pub const fn near_millis(mut self, millis: u64) -> Self {
        self.near = Some(Duration::from_millis(millis));
        self
    }

    /// The option `jitter`.
    #[must_use]
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent;
        self
    }
}

/// In a debug build, warns once when a second function claims the name of a first: calls of the two
/// would answer each other. The name is all that begins a key: the method's type belongs to it.
pub(crate) fn claim(name: &str, spec: &'static Spec) {
    static CLAIMED: OnceLock<Mutex<HashMap<String, Vec<&'static Spec>>>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return;
    }
    let claimed = CLAIMED.get_or_init(Mutex::default);
    let first = {
        let mut claimed = claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = claimed.entry(name.to_owned()).or_default();
        if claims.iter().any(|claim| std::ptr::eq(*claim, spec)) {
            return;
        }
        claims.push(spec);
        claims[0]
    };
    // Without the lock: whoever hears the warning may make a call of its own.
    if !std::ptr::eq(first, spec) {
        tracing::warn!(
            "`{name}` is the name of two cached functions, at {}:{} and at {}:{}; \
             they answer each other's calls unless one gets another `name`",
            first.file,
            first.line,
            spec.file,
            spec.line,
        );
    }
}
