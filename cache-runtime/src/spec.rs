//! What an annotated function is: the constants that its attribute gave.

mod instance;
mod names;
mod place;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use self::instance::Instance;
use self::instance::Instances;
pub use self::instance::Types;
pub(crate) use self::names::function_of;
use self::names::{Derived, Name};
use crate::stats::Home;

/// One annotated function. The attribute makes a static of it.
#[derive(Debug)]
pub struct Spec {
    name: Name,
    version: u64,
    is_method: bool,
    instances: Instances,
    /// The first of them, where there is one alone, once its name is known to be its own.
    only: OnceLock<&'static Instance>,
    file: &'static str,
    line: u32,
    column: u32,
    pub(crate) ttl: Option<Duration>,
    pub(crate) none: Absence,
    pub(crate) jitter_percent: u8,
    pub(crate) stale: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) follow: Duration,
    /// With copies in the process, each for so long at most.
    pub(crate) near: Option<Duration>,
    pub(crate) home: Home,
    /// The bytes of the last value.
    bytes: AtomicUsize,
    /// Stored values of which the text of `Debug` could be compared.
    shown: AtomicU32,
    /// The last sets of field names that reading had no others beside.
    compared: [AtomicU64; Self::SETS],
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
    /// Enums make a few sets of one type.
    const SETS: usize = 8;

    /// How long a lease lives if its holder dies. Short, since the fleet waits for it; a holder that
    /// lives extends it.
    pub(crate) const LEASE: Duration = Duration::from_secs(3);

    /// A function with the option `name`, at this place of the source.
    #[must_use]
    pub const fn named(name: &'static str, file: &'static str, place: [u32; 2]) -> Self {
        Self::new(Name::Given(name), file, place)
    }

    /// A function without the option `name`. `path` is its module and its name, `item` a hash of it
    /// as it is written.
    #[must_use]
    pub const fn derived(
        path: &'static str,
        module: &'static str,
        item: u64,
        file: &'static str,
        place: [u32; 2],
    ) -> Self {
        let derived = Derived {
            path,
            module,
            item,
            column: place[1],
            companion: None,
        };
        Self::new(Name::Derived(derived), file, place)
    }

    const fn new(name: Name, file: &'static str, [line, column]: [u32; 2]) -> Self {
        Self {
            name,
            version: 0,
            is_method: false,
            instances: OnceLock::new(),
            only: OnceLock::new(),
            file,
            line,
            column,
            ttl: None,
            none: Absence::Passed,
            jitter_percent: 0,
            stale: None,
            lease: Some(Self::LEASE),
            follow: Duration::from_secs(10),
            near: None,
            home: Home::new(),
            bytes: AtomicUsize::new(0),
            shown: AtomicU32::new(0),
            compared: [const { AtomicU64::new(0) }; Self::SETS],
        }
    }

    /// The name for logs, events and counts: as it was given, or the path of the function.
    pub(crate) fn name(&self) -> &'static str {
        match &self.name {
            Name::Given(name) => name,
            Name::Derived(derived) => derived.path,
        }
    }

    /// The place in the source, for messages.
    fn place(&self) -> String {
        let Self {
            file, line, column, ..
        } = self;
        format!("{file}:{line}:{column}")
    }

    fn is_named(&self) -> bool {
        matches!(self.name, Name::Given(_))
    }

    /// The companion beside the function, by which a derived name knows what is round the two.
    #[must_use]
    pub const fn companion(mut self, path: fn() -> &'static str) -> Self {
        if let Name::Derived(derived) = &mut self.name {
            derived.companion = Some(path);
        }
        self
    }

    /// A function of an `impl` or of a `trait`.
    #[must_use]
    pub const fn method(mut self) -> Self {
        self.is_method = true;
        self
    }

    /// Returns how many bytes the next value may take.
    pub(crate) fn expected_bytes(&self) -> usize {
        // A number may have one more digit.
        self.bytes.load(Ordering::Relaxed) + 16
    }

    /// Records how many bytes a value took.
    pub(crate) fn expect_bytes(&self, bytes: usize) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns whether reading knows no other fields than those of this signature.
    pub(crate) fn has_compared(&self, signature: u64) -> bool {
        self.set(signature).load(Ordering::Relaxed) == signature
    }

    /// Records that reading knows no other fields than those of this signature.
    pub(crate) fn set_compared(&self, signature: u64) {
        self.set(signature).store(signature, Ordering::Relaxed);
    }

    fn set(&self, signature: u64) -> &AtomicU64 {
        &self.compared[signature as usize % Self::SETS]
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
