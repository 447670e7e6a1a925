//! How long what was loaded lives and is kept.

use std::time::Duration;

use crate::spec::{Absence, Spec};

/// The longest time to live, of which the attribute takes no longer one: a thousand years of 365 days.
/// A server counts milliseconds from 1970 on, in 63 bits, and so it keeps twice as much, as `stale` asks
/// for.
pub(crate) const LONGEST: Duration = Duration::from_secs(365_000 * 24 * 60 * 60);

/// How long a value lives, or the absence of one: as was `decided` for it, else as the function says.
pub(crate) fn time_to_live(
    spec: &Spec,
    absent: bool,
    decided: Option<Option<Duration>>,
) -> Option<Duration> {
    let ttl = match spec.none {
        Absence::StoredFor(ttl) if absent => Some(ttl),
        _ => decided.unwrap_or(spec.ttl),
    };
    ttl.map(|ttl| jittered(ttl.min(LONGEST), spec.jitter_percent))
}

/// How long a value is kept: for a function with `stale`, past its time to live.
pub(crate) fn keep_time(spec: &Spec, ttl: Option<Duration>) -> Option<Duration> {
    ttl.map(|ttl| ttl.saturating_add(spec.stale.unwrap_or_default()))
}

/// Up to so many percent less, so that values stored together do not expire together.
fn jittered(ttl: Duration, percent: u8) -> Duration {
    if percent == 0 {
        return ttl;
    }
    let most = ttl.mul_f64(f64::from(percent) / 100.0);
    let less = ttl.saturating_sub(most.mul_f64(fastrand::f64()));
    // A whole number of milliseconds is what a server can keep, and one is no time at all only if
    // that was asked for.
    let millis = u64::try_from(less.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.max(u64::from(!ttl.is_zero())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_takes_off_and_never_more_than_it_says() {
        let ttl = Duration::from_secs(1000);
        let drawn: Vec<_> = (0..1000).map(|_| jittered(ttl, 10)).collect();
        assert!(drawn.iter().all(|drawn| *drawn <= ttl));
        assert!(drawn.iter().all(|drawn| *drawn >= Duration::from_secs(900)));
        assert!(drawn.iter().any(|drawn| *drawn < Duration::from_secs(950)));
        assert_eq!(jittered(ttl, 0), ttl);
        for ttl in [Duration::from_nanos(1), Duration::from_millis(1)] {
            assert_eq!(jittered(ttl, 99), Duration::from_millis(1));
        }
        assert_eq!(jittered(Duration::ZERO, 99), Duration::ZERO);
    }
}
