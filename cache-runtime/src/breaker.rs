//! Whether the server is worth asking: the circuit breaker of one cache.
//!
//! It opens when the server refuses everything, when three attempts to reach it failed in a row, or
//! when within a second as many commands went unanswered as were answered. While it is open nobody
//! asks the server but one probe in the background, and the first one that is answered closes it.
//!
//! Between open and closed there is doubt: somebody waited for nothing just now and nobody was
//! answered since. Commands are still sent where a connection stands, but nobody waits for a new one.
//!
//! Time is passed in. What every answered command does is one addition and one look.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many attempts to reach the server, with no answer to anybody in between.
const DEAD_IN_A_ROW: u32 = 3;
/// Late commands are set against answered ones for so long.
const WINDOW: Duration = Duration::from_secs(1);
/// Fewer late commands say nothing, however few were answered.
const FEWEST_LATE: u64 = 10;
/// From one probe to the next.
const PROBE_EVERY: Duration = Duration::from_millis(200);
/// A server that answers the probe and again leaves its callers waiting within this time is probed
/// less and less often: each time costs some of them the deadline.
const RELAPSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    open: AtomicBool,
    doubt: AtomicBool,
    answers: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Attempts that failed in a row, and how many commands had been answered at the last of them.
    dead: u32,
    answers_then: u64,
    window: Option<Window>,
    outages: u64,
    opened: Option<Instant>,
    closed: Option<Instant>,
    /// How often it answered the probe and then left its callers waiting.
    relapses: u32,
    /// Probes of this outage.
    probes: u32,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    answers_then: u64,
    late: u64,
}

impl Breaker {
    /// Whether nobody should ask the server.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether somebody waited for nothing and nobody was answered since.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt.load(Ordering::Relaxed)
    }

    /// How often it has opened.
    pub(crate) fn outages(&self) -> u64 {
        self.state().outages
    }

    /// The server answered a command, with whatever.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if self.doubt.load(Ordering::Relaxed) {
            self.doubt.store(false, Ordering::Relaxed);
        }
    }

    /// A connection fell silent, and nobody knows yet whether the server did.
    pub(crate) fn doubted(&self) {
        self.doubt.store(true, Ordering::Relaxed);
    }

    /// So many commands were not answered in time. Whether this opened it.
    pub(crate) fn late(&self, commands: u64, now: Instant) -> bool {
        self.doubted();
        let mut state = self.state();
        let answers = self.answers(&state);
        let fresh = |window: &Window| now.saturating_duration_since(window.began) <= WINDOW;
        let mut window = state.window.take().filter(fresh).unwrap_or(Window {
            began: now,
            answers_then: answers,
            late: 0,
        });
        window.late += commands;
        let opens = window.late >= FEWEST_LATE && window.late >= answers - window.answers_then;
        state.window = Some(window);
        let relapsed = |closed: Instant| now.saturating_duration_since(closed) <= RELAPSE;
        let relapses = match state.closed.is_some_and(relapsed) {
            true => state.relapses + 1,
            false => 0,
        };
        opens && self.open(&mut state, relapses, now)
    }

    /// An attempt to reach the server failed. Whether this opened it.
    pub(crate) fn dead(&self, now: Instant) -> bool {
        self.doubted();
        let mut state = self.state();
        let answers = self.answers(&state);
        if state.answers_then != answers {
            state.dead = 0;
        }
        state.dead += 1;
        state.answers_then = answers;
        state.dead >= DEAD_IN_A_ROW && self.open(&mut state, 0, now)
    }

    /// The server refuses everything. Whether this opened it.
    pub(crate) fn refused(&self, now: Instant) -> bool {
        self.open(&mut self.state(), 0, now)
    }

    /// A probe was answered as a command would be. How long it was open, if that closed it.
    pub(crate) fn recovered(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        self.answered();
        let opened = state.opened.take()?;
        state.dead = 0;
        state.window = None;
        state.closed = Some(now);
        self.open.store(false, Ordering::Relaxed);
        Some(now.saturating_duration_since(opened))
    }

    /// How long after the last probe, or after it opened, the next one is due. The first one comes
    /// at once: what looked like an outage may be one broken connection.
    pub(crate) fn next_probe(&self) -> Duration {
        let mut state = self.state();
        state.probes += 1;
        if state.relapses == 0 && state.probes == 1 {
            return Duration::ZERO;
        }
        let longer = 1_u32.checked_shl(state.relapses).unwrap_or(u32::MAX);
        PROBE_EVERY.saturating_mul(longer).min(LONGEST_PAUSE)
    }

    fn open(&self, state: &mut State, relapses: u32, now: Instant) -> bool {
        if state.opened.is_some() {
            return false;
        }
        state.opened = Some(now);
        state.outages += 1;
        state.relapses = relapses;
        state.probes = 0;
        self.open.store(true, Ordering::Relaxed);
        true
    }

    /// No fewer than whoever had the state before has seen: a count from before it was locked may be.
    fn answers(&self, _: &MutexGuard<'_, State>) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
