//! What a cache reports to the [`metrics`](https://docs.rs/metrics) crate, with the feature `metrics`.
//!
//! | name | kind | labels | |
//! |---|---|---|---|
//! | [`cache_gets_total`](GETS) | counter | `cache`, `function`, `result` | calls of annotated functions by what answered them: `near` (a copy in this process), `hit` (the stored value), `stale` (a stored value past its time to live), `joined` (what another call or process loaded meanwhile), `miss` (the body, since nothing usable was stored), `bypassed` (the body, past the cache) |
//! | [`cache_waits_total`](WAITS) | counter | `cache`, `function` | times that a call waited for the load of another |
//! | [`cache_loads_total`](LOADS) | counter | `cache`, `function`, `outcome` | loads by what became of their lease: `stored`, `refused` (an invalidation came meanwhile), `store_failed` (the server did not take the value), `released` (nothing to store, or the caller left), `refresh_failed` (behind the caller of a stale value) |
//! | [`cache_load_seconds`](LOAD_SECONDS) | histogram | `cache`, `function` | how long bodies ran that returned |
//! | [`cache_refreshes_total`](REFRESHES) | counter | `cache`, `function` | refreshes that began behind the caller of a stale value |
//! | [`cache_invalidations_total`](INVALIDATIONS) | counter | `cache`, `function`, `outcome` | invalidations by the companion or by the call: `removed`, or `owed` since the server was away or took no writes |
//! | [`cache_value_errors_total`](VALUE_ERRORS) | counter | `cache`, `function`, `error` | values that could not be used: `unreadable` (stored bytes that are not of the function's type), `unstorable` (too large, no JSON, or of no time to live) |
//! | [`cache_server_errors_total`](SERVER_ERRORS) | counter | `cache`, `error` | commands that failed: `unavailable`, `timeout`, `refused` |
//! | [`cache_breaker_open`](BREAKER_OPEN) | gauge | `cache` | 1 while the server is away and bodies run past the cache, else 0 |
//! | [`cache_writes_suspended`](WRITES_SUSPENDED) | gauge | `cache` | 1 while the server takes no writes, else 0 |
//! | [`cache_owed`](OWED) | gauge | `cache` | invalidations that wait for the server to be back, or to take writes again |
//! | [`cache_size`](SIZE) | gauge | `cache` | entries of a cache in memory, with those that expired and were not looked at since |
//! | [`cache_size_bytes`](SIZE_BYTES) | gauge | `cache` | what they weigh, keys and values together |
//! | [`cache_evictions_total`](EVICTIONS) | counter | `cache` | entries that a cache in memory gave up to make room |
//!
//! `cache` is the [prefix](crate::Config::prefix) of the cache, so two caches of one process need two
//! to be told apart. `function` is the function's name as its keys begin; no label holds a key. The
//! results of `cache_gets_total` add up to the calls, so the share of hits is
//!
//! ```text
//! sum(rate(cache_gets_total{result=~"near|hit|stale|joined"}[5m])) / sum(rate(cache_gets_total[5m]))
//! ```
//!
//! With or without the feature, each load has a `tracing` span `cache.load` round its body, with the
//! fields `function` and `outcome`: the [`EventKind`] that it came to, `Failed` also for a body that gave
//! nothing to store, `Left` for a caller that went away. A hit has no span.
//!
//! Handles are taken when a cache is made and when a function is first called, so install the
//! recorder before. An exporter to Prometheus makes a summary of a histogram unless it is told
//! buckets; [`LOAD_SECONDS_BUCKETS`] suits most. `examples/grafana.json` is a dashboard of these
//! names, `examples/axum_service.rs` a service that exports them.

#[cfg(feature = "metrics")]
use ::metrics::{Counter, Gauge, Histogram};

#[cfg(not(feature = "metrics"))]
use self::nothing::{Counter, Gauge, Histogram};
use crate::error::{Error, ErrorKind};
use crate::event::{EventKind, KINDS};
#[cfg(feature = "metrics")]
use crate::{exec, guard};

/// Calls by what answered them.
pub const GETS: &str = "cache_gets_total";
/// Times that a call waited for the load of another.
pub const WAITS: &str = "cache_waits_total";
/// Loads by what became of their lease.
pub const LOADS: &str = "cache_loads_total";
/// How long bodies ran, in seconds.
pub const LOAD_SECONDS: &str = "cache_load_seconds";
/// Refreshes behind the callers of stale values.
pub const REFRESHES: &str = "cache_refreshes_total";
/// Invalidations by the companion or by the call.
pub const INVALIDATIONS: &str = "cache_invalidations_total";
/// Values that could not be used.
pub const VALUE_ERRORS: &str = "cache_value_errors_total";
/// Commands that failed.
pub const SERVER_ERRORS: &str = "cache_server_errors_total";
/// 1 while the server is away.
pub const BREAKER_OPEN: &str = "cache_breaker_open";
/// 1 while the server takes no writes.
pub const WRITES_SUSPENDED: &str = "cache_writes_suspended";
/// Invalidations that wait for the server to be back.
pub const OWED: &str = "cache_owed";
/// Entries of a cache in memory.
pub const SIZE: &str = "cache_size";
/// What the entries of a cache in memory weigh, in bytes.
pub const SIZE_BYTES: &str = "cache_size_bytes";
/// Entries that a cache in memory gave up to make room.
pub const EVICTIONS: &str = "cache_evictions_total";

/// Bounds for the histogram [`LOAD_SECONDS`], from a millisecond to half a minute.
#[cfg(feature = "metrics")]
pub const LOAD_SECONDS_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// What is counted for one function.
#[derive(Debug)]
pub(crate) struct OfFunction {
    /// One for each kind of event, at its place.
    steps: [Counter; KINDS],
    load_seconds: Histogram,
}

impl OfFunction {
    pub(crate) fn new(cache: &str, function: &str) -> Self {
        describe();
        let of = [("cache", cache), ("function", function)];
        Self {
            steps: std::array::from_fn(|step| match meter(EventKind::ALL[step]) {
                None => Counter::noop(),
                Some((name, None)) => counter(name, &of),
                Some((name, Some(label))) => counter(name, &[of[0], of[1], label]),
            }),
            load_seconds: histogram(LOAD_SECONDS, &of),
        }
    }

    pub(crate) fn add(&self, kind: EventKind) {
        record(|| self.steps[kind as usize].increment(1));
    }

    pub(crate) fn loaded(&self, timer: &Timer) {
        record(|| timer.record(&self.load_seconds));
    }
}

type Label = (&'static str, &'static str);

/// Where a kind of event is counted.
fn meter(kind: EventKind) -> Option<(&'static str, Option<Label>)> {
    let (name, label) = match kind {
        EventKind::Near => (GETS, Some(("result", "near"))),
        EventKind::Hit => (GETS, Some(("result", "hit"))),
        EventKind::Stale => (GETS, Some(("result", "stale"))),
        EventKind::Joined => (GETS, Some(("result", "joined"))),
        EventKind::Led => (GETS, Some(("result", "miss"))),
        EventKind::Bypassed => (GETS, Some(("result", "bypassed"))),
        // Told by what answered the call in the end.
        EventKind::Miss => return None,
        // No steps of a function; see `OfServer::changed`.
        EventKind::Lost
        | EventKind::Back
        | EventKind::WritesSuspended
        | EventKind::WritesResumed => return None,
        EventKind::Waited => (WAITS, None),
        EventKind::Filled => (LOADS, Some(("outcome", "stored"))),
        EventKind::Refused => (LOADS, Some(("outcome", "refused"))),
        EventKind::Failed => (LOADS, Some(("outcome", "store_failed"))),
        EventKind::Released => (LOADS, Some(("outcome", "released"))),
        EventKind::RefreshFailed => (LOADS, Some(("outcome", "refresh_failed"))),
        EventKind::Refreshing => (REFRESHES, None),
        EventKind::Unreadable => (VALUE_ERRORS, Some(("error", "unreadable"))),
        EventKind::Unstorable => (VALUE_ERRORS, Some(("error", "unstorable"))),
        EventKind::Invalidated => (INVALIDATIONS, Some(("outcome", "removed"))),
        EventKind::Owed => (INVALIDATIONS, Some(("outcome", "owed"))),
    };
    Some((name, label))
}

/// Since when a body runs.
#[derive(Debug)]
pub(crate) struct Timer {
    #[cfg(feature = "metrics")]
    began: std::time::Instant,
}

impl Timer {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: std::time::Instant::now(),
        }
    }

    #[cfg(feature = "metrics")]
    fn record(&self, seconds: &Histogram) {
        seconds.record(self.began.elapsed());
    }

    #[cfg(not(feature = "metrics"))]
    fn record(&self, _: &Histogram) {}
}

/// What is counted for the commands of one cache.
#[derive(Debug)]
pub(crate) struct OfServer {
    unavailable: Counter,
    timeout: Counter,
    refused: Counter,
    breaker_open: Gauge,
    writes_suspended: Gauge,
}

impl OfServer {
    pub(crate) fn new(cache: &str) -> Self {
        let of = |error| counter(SERVER_ERRORS, &[("cache", cache), ("error", error)]);
        Self {
            unavailable: of("unavailable"),
            timeout: of("timeout"),
            refused: of("refused"),
            breaker_open: gauge(BREAKER_OPEN, &[("cache", cache)]),
            writes_suspended: gauge(WRITES_SUSPENDED, &[("cache", cache)]),
        }
    }

    pub(crate) fn failed(&self, error: &Error) {
        let counter = match error.kind() {
            ErrorKind::Unavailable => &self.unavailable,
            ErrorKind::Timeout => &self.timeout,
            ErrorKind::Refused => &self.refused,
            _ => return,
        };
        record_aside(counter, |counter| counter.increment(1));
    }

    pub(crate) fn changed(&self, kind: EventKind) {
        let (gauge, value) = match kind {
            EventKind::Lost => (&self.breaker_open, 1.0),
            EventKind::Back => (&self.breaker_open, 0.0),
            EventKind::WritesSuspended => (&self.writes_suspended, 1.0),
            EventKind::WritesResumed => (&self.writes_suspended, 0.0),
            _ => return,
        };
        record_aside(gauge, move |gauge| gauge.set(value));
    }
}

/// How many invalidations one cache owes.
#[derive(Debug)]
pub(crate) struct OfOwed(Gauge);

impl OfOwed {
    pub(crate) fn new(cache: &str) -> Self {
        Self(gauge(OWED, &[("cache", cache)]))
    }

    pub(crate) fn set(&self, keys: usize) {
        record_aside(&self.0, move |gauge| gauge.set(keys as f64));
    }
}

/// What one cache in memory holds.
#[derive(Debug)]
pub(crate) struct OfMemory {
    entries: Gauge,
    bytes: Gauge,
    evictions: Counter,
}

impl OfMemory {
    pub(crate) fn new(cache: &str) -> Self {
        let of = [("cache", cache)];
        Self {
            entries: gauge(SIZE, &of),
            bytes: gauge(SIZE_BYTES, &of),
            evictions: counter(EVICTIONS, &of),
        }
    }

    pub(crate) fn holds(&self, entries: usize, bytes: u64) {
        record(|| {
            self.entries.set(entries as f64);
            self.bytes.set(bytes as f64);
        });
    }

    pub(crate) fn evicted(&self, entries: usize) {
        record(|| self.evictions.increment(entries as u64));
    }
}

#[cfg(feature = "metrics")]
fn labels(of: &[(&'static str, &str)]) -> Vec<::metrics::Label> {
    let label =
        |(name, value): &(&'static str, &str)| ::metrics::Label::new(*name, value.to_string());
    of.iter().map(label).collect()
}

#[cfg(feature = "metrics")]
fn counter(name: &'static str, of: &[(&'static str, &str)]) -> Counter {
    guard::of_user(|| ::metrics::counter!(name, labels(of))).unwrap_or_else(Counter::noop)
}

#[cfg(feature = "metrics")]
fn gauge(name: &'static str, of: &[(&'static str, &str)]) -> Gauge {
    guard::of_user(|| ::metrics::gauge!(name, labels(of))).unwrap_or_else(Gauge::noop)
}

#[cfg(feature = "metrics")]
fn histogram(name: &'static str, of: &[(&'static str, &str)]) -> Histogram {
    guard::of_user(|| ::metrics::histogram!(name, labels(of))).unwrap_or_else(Histogram::noop)
}

/// Calls the recorder, which is the user's.
#[cfg(feature = "metrics")]
fn record(of_user: impl FnOnce()) {
    guard::of_user(of_user);
}

/// The same for what the I/O thread counts.
#[cfg(feature = "metrics")]
fn record_aside<T: Clone + Send + 'static>(of: &T, record: impl FnOnce(&T) + Send + 'static) {
    let of = of.clone();
    exec::aside(move || record(&of));
}

#[cfg(feature = "metrics")]
fn describe() {
    guard::of_user(describe_all);
}

#[cfg(feature = "metrics")]
fn describe_all() {
    use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(GETS, "calls by what answered them");
    describe_counter!(WAITS, "times that a call waited for the load of another");
    describe_counter!(LOADS, "loads by what became of their lease");
    describe_histogram!(
        LOAD_SECONDS,
        Unit::Seconds,
        "how long bodies ran that returned"
    );
    describe_counter!(REFRESHES, "refreshes behind the callers of stale values");
    describe_counter!(
        INVALIDATIONS,
        "invalidations by the companion or by the call"
    );
    describe_counter!(VALUE_ERRORS, "values that could not be used");
    describe_counter!(SERVER_ERRORS, "commands that failed");
    describe_gauge!(BREAKER_OPEN, "1 while the server is away");
    describe_gauge!(WRITES_SUSPENDED, "1 while the server takes no writes");
    describe_gauge!(OWED, "invalidations that wait for the server to be back");
    describe_gauge!(SIZE, "entries of a cache in memory");
    describe_gauge!(
        SIZE_BYTES,
        Unit::Bytes,
        "what the entries of a cache in memory weigh"
    );
    describe_counter!(
        EVICTIONS,
        "entries that a cache in memory gave up to make room"
    );
}

#[cfg(not(feature = "metrics"))]
use self::nothing::{counter, describe, gauge, histogram, record, record_aside};

/// In the place of the `metrics` crate: nothing, which costs nothing.
#[cfg(not(feature = "metrics"))]
mod nothing {
    #[derive(Debug)]
    pub(super) struct Counter;
    #[derive(Debug)]
    pub(super) struct Gauge;
    #[derive(Debug)]
    pub(super) struct Histogram;

    impl Counter {
        pub(super) fn noop() -> Self {
            Self
        }

        pub(super) fn increment(&self, _: u64) {}
    }

    impl Gauge {
        pub(super) fn set(&self, _: f64) {}
    }

    pub(super) fn counter(_: &str, _: &[(&str, &str)]) -> Counter {
        Counter
    }

    pub(super) fn gauge(_: &str, _: &[(&str, &str)]) -> Gauge {
        Gauge
    }

    pub(super) fn histogram(_: &str, _: &[(&str, &str)]) -> Histogram {
        Histogram
    }

    pub(super) fn describe() {}

    pub(super) fn record(_: impl FnOnce()) {}

    pub(super) fn record_aside<T>(_: &T, _: impl FnOnce(&T)) {}
}
