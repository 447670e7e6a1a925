//! Rounds, and what is read from them.
//!
//! Absolute rates wander with whatever else the machine does, so the contenders take turns in
//! short slices: a round holds one slice of each. Ratios are taken within a round, and the median
//! over the rounds counts.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::contenders::{Contender, Peer, ThreadPeer};
use crate::values::{self, KEYS, Size, cold_key};

/// What callers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Stored,
    /// Each a key that nothing was ever stored under.
    Cold,
}

/// How a table is measured.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub size: Size,
    pub keys: Keys,
    pub callers: usize,
    pub rounds: usize,
    pub slice: Duration,
    /// A count that is read when a slice begins and when it ends, such as the server's CPU time.
    pub probe: &'a dyn Fn() -> f64,
}

/// What one contender did in one slice.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    pub per_second: f64,
    pub p50_micros: f64,
    pub p99_micros: f64,
    /// What the probe counted, per call.
    pub probed: f64,
    /// Calls that ran a body. Of a stored value that is a miss, and counts as no hit.
    pub bodies: u64,
}

/// One table: for each contender its slices, one a round.
pub struct Table {
    pub size: Size,
    pub callers: usize,
    rows: Vec<(&'static str, Vec<Slice>)>,
}

impl Table {
    pub fn measure(contenders: &[&dyn Contender], plan: &Plan<'_>) -> Self {
        let name = |of: &&dyn Contender| (of.name(), Vec::with_capacity(plan.rounds));
        let mut rows: Vec<_> = contenders.iter().map(name).collect();
        for round in 0..plan.rounds {
            for turn in 0..contenders.len() {
                // Each round begins with another one, so that nobody always follows the same.
                let index = (round + turn) % contenders.len();
                rows[index].1.push(contenders[index].slice(plan));
            }
        }
        Self {
            size: plan.size,
            callers: plan.callers,
            rows,
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().map(|(name, _)| *name)
    }

    /// The median over the rounds, if the contender was measured.
    pub fn median(&self, name: &str, of: impl Fn(&Slice) -> f64) -> Option<f64> {
        Some(median(self.slices(name)?.iter().map(of)))
    }

    /// The median over the rounds of one contender's figure in terms of another's.
    pub fn ratio(&self, name: &str, to: &str, of: impl Fn(&Slice) -> f64) -> Option<f64> {
        let rounds = self.slices(name)?.iter().zip(self.slices(to)?);
        Some(median(rounds.map(|(this, other)| of(this) / of(other))))
    }

    /// Calls that ran a body although their value was stored.
    pub fn bodies(&self, name: &str) -> u64 {
        let slices = self.slices(name).unwrap_or_default();
        slices.iter().map(|slice| slice.bodies).sum()
    }

    fn slices(&self, name: &str) -> Option<&[Slice]> {
        let row = self.rows.iter().find(|(of, _)| *of == name)?;
        Some(&row.1)
    }
}

/// The middle one; of an empty list that is no number.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    at(&figures, 0.5)
}

/// The figure that this part of the sorted ones does not exceed.
pub fn at(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

const RAMP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// Callers run before the measuring begins, so that the first readings are of a running system.
const RAMP_TIME: Duration = Duration::from_millis(10);

/// Where a slice stands, for its callers to see.
struct Phase(AtomicU8);

impl Phase {
    fn new() -> Self {
        Self(AtomicU8::new(RAMP))
    }

    fn is(&self, phase: u8) -> bool {
        self.0.load(Ordering::Relaxed) == phase
    }

    fn enter(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// Lets callers run for a slice. `start` starts them, `finish` returns their readings.
fn slice<C>(
    plan: &Plan<'_>,
    calls_per_reading: u32,
    start: impl FnOnce(&Arc<Phase>) -> C,
    finish: impl FnOnce(C) -> Vec<Duration>,
) -> Slice {
    let phase = Arc::new(Phase::new());
    let callers = start(&phase);
    std::thread::sleep(RAMP_TIME);
    let (probe, bodies, began) = ((plan.probe)(), values::bodies(), Instant::now());
    phase.enter(MEASURED);
    std::thread::sleep(plan.slice);
    phase.enter(OVER);
    let took = began.elapsed();
    let (probe, bodies) = ((plan.probe)() - probe, values::bodies() - bodies);
    let readings = finish(callers);
    let share = f64::from(calls_per_reading);
    let calls = readings.len() as f64 * share;
    let micros = |reading: Duration| reading.as_secs_f64() * 1e6 / share;
    let mut micros: Vec<_> = readings.into_iter().map(micros).collect();
    micros.sort_by(f64::total_cmp);
    Slice {
        per_second: calls / took.as_secs_f64(),
        p50_micros: at(&micros, 0.5),
        p99_micros: at(&micros, 0.99),
        probed: probe / calls,
        bodies,
    }
}

/// Room for a caller's readings before they must move.
const READINGS: usize = 1 << 12;

/// The keys that a caller reads: all of them in turn, each caller from a place of its own.
fn first_key(caller: usize) -> u64 {
    caller as u64 * 37
}

/// A slice of async callers, each a task.
pub(crate) fn tasks<P: Peer>(peer: &Arc<P>, runtime: &Handle, plan: &Plan<'_>) -> Slice {
    let (size, keys) = (plan.size, plan.keys);
    let start = |phase: &Arc<Phase>| -> Vec<_> {
        let caller = |index| runtime.spawn(task(peer.clone(), phase.clone(), size, keys, index));
        (0..plan.callers).map(caller).collect()
    };
    let finish = |tasks: Vec<tokio::task::JoinHandle<Vec<Duration>>>| {
        let all = async {
            let mut readings = Vec::new();
            for task in tasks {
                readings.append(&mut task.await.expect("no contender panics on a hit"));
            }
            readings
        };
        runtime.block_on(all)
    };
    slice(plan, P::CALLS_PER_READING, start, finish)
}

async fn task<P: Peer>(
    peer: Arc<P>,
    phase: Arc<Phase>,
    size: Size,
    keys: Keys,
    caller: usize,
) -> Vec<Duration> {
    let readings = Readings::new(&phase, keys, caller);
    match size {
        Size::Small => readings.of_task::<P, _>(|id| peer.small(id)).await,
        Size::Large => readings.of_task::<P, _>(|id| peer.large(id)).await,
    }
}

/// A slice of sync callers, each a thread.
pub(crate) fn threads<P: ThreadPeer>(peer: &Arc<P>, plan: &Plan<'_>) -> Slice {
    let (size, keys) = (plan.size, plan.keys);
    let start = |phase: &Arc<Phase>| -> Vec<_> {
        let caller = |index| {
            let (peer, phase) = (peer.clone(), phase.clone());
            // Made here: a slice does not wait for a thread that still connects.
            let own = peer.own();
            std::thread::spawn(move || thread(&*peer, own, &phase, size, keys, index))
        };
        (0..plan.callers).map(caller).collect()
    };
    let finish = |threads: Vec<std::thread::JoinHandle<Vec<Duration>>>| {
        let joined = threads.into_iter().map(std::thread::JoinHandle::join);
        joined
            .flat_map(|readings| readings.expect("no contender panics on a hit"))
            .collect()
    };
    slice(plan, 1, start, finish)
}

fn thread<P: ThreadPeer>(
    peer: &P,
    mut own: P::Own,
    phase: &Phase,
    size: Size,
    keys: Keys,
    caller: usize,
) -> Vec<Duration> {
    let readings = Readings::new(phase, keys, caller);
    match size {
        Size::Small => readings.of_thread(|id| peer.small(&mut own, id)),
        Size::Large => readings.of_thread(|id| peer.large(&mut own, id)),
    }
}

/// What one caller measures until its slice is over.
struct Readings<'a> {
    phase: &'a Phase,
    keys: Keys,
    next: u64,
    taken: Vec<Duration>,
}

impl<'a> Readings<'a> {
    fn new(phase: &'a Phase, keys: Keys, caller: usize) -> Self {
        Self {
            phase,
            keys,
            next: first_key(caller),
            taken: Vec::with_capacity(READINGS),
        }
    }

    async fn of_task<P: Peer, F: Future>(mut self, call: impl Fn(u64) -> F) -> Vec<Duration> {
        while !self.phase.is(OVER) {
            let began = Instant::now();
            for _ in 0..P::CALLS_PER_READING {
                black_box(call(self.key()).await);
            }
            self.take(began);
            if P::CALLS_PER_READING > 1 {
                // What never waits would keep the other callers from their turn.
                tokio::task::yield_now().await;
            }
        }
        self.taken
    }

    fn of_thread<V>(mut self, mut call: impl FnMut(u64) -> V) -> Vec<Duration> {
        while !self.phase.is(OVER) {
            let began = Instant::now();
            black_box(call(self.key()));
            self.take(began);
        }
        self.taken
    }

    fn key(&mut self) -> u64 {
        if self.keys == Keys::Cold {
            return cold_key();
        }
        self.next += 1;
        self.next % KEYS
    }

    fn take(&mut self, began: Instant) {
        if self.phase.is(MEASURED) {
            self.taken.push(began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let slice = |per_second| Slice {
            per_second,
            p50_micros: 0.0,
            p99_micros: 0.0,
            probed: 0.0,
            bodies: 0,
        };
        // The machine was twice as fast in the second round: the ratio does not see it.
        let table = Table {
            size: Size::Small,
            callers: 1,
            rows: vec![
                ("ours", vec![slice(200.0), slice(400.0), slice(210.0)]),
                ("theirs", vec![slice(100.0), slice(200.0), slice(100.0)]),
            ],
        };
        let ratio = table.ratio("ours", "theirs", |slice| slice.per_second);
        assert_eq!(ratio, Some(2.0));
        assert_eq!(
            table.ratio("ours", "nobody", |slice| slice.per_second),
            None
        );
    }

    #[test]
    fn the_median_of_nothing_is_no_number() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
