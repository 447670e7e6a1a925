//! Calls that come at random, whether or not those before them were answered, as those of users do.
//!
//! Each is timed from the moment at which it was due: a call that waits for its turn waits, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;

use crate::contenders::Peer;
use crate::measure::at;
use crate::values::KEYS;

/// What was seen of the calls of one slice of time.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub p50_micros: f64,
    pub p99_micros: f64,
}

/// Runs the calls of one slice: so many a second, the moments by this seed.
pub(crate) fn slice<P: Peer>(
    peer: &Arc<P>,
    runtime: &Handle,
    per_second: f64,
    length: Duration,
    seed: u64,
) -> Seen {
    let (told, mut tell) = unbounded_channel();
    let began = Instant::now();
    for (call, after) in arrivals(per_second, length, seed).enumerate() {
        let due = began + after;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (peer, told) = (peer.clone(), told.clone());
        runtime.spawn(async move {
            std::hint::black_box(peer.small(call as u64 % KEYS).await);
            // Nobody hears of it where a contender panicked.
            let _ = told.send(due.elapsed());
        });
    }
    drop(told);
    let mut micros = Vec::new();
    while let Some(took) = tell.blocking_recv() {
        micros.push(took.as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    Seen {
        p50_micros: at(&micros, 0.5),
        p99_micros: at(&micros, 0.99),
    }
}

/// When calls come that know nothing of each other.
fn arrivals(per_second: f64, length: Duration, seed: u64) -> impl Iterator<Item = Duration> {
    let (mut state, mut at) = (seed | 1, 0.0);
    std::iter::from_fn(move || {
        // By xorshift: every contender is to have the same moments.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let random = ((state >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        at -= random.ln() / per_second;
        (at < length.as_secs_f64()).then(|| Duration::from_secs_f64(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_at_their_rate() {
        let second = Duration::from_secs(1);
        let count = arrivals(10_000.0, second, 7).count();
        assert!((9_500..10_500).contains(&count), "{count}");
        let arrivals: Vec<_> = arrivals(1_000.0, second, 7).collect();
        assert!(arrivals.is_sorted());
    }
}
