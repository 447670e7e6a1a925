//! Time that counts against a limit: the time in which this process ran.
//!
//! A process that is starved, throttled or stopped cannot see an answer that came long ago. It would take
//! its server for one that does not answer. So of each piece of a wait only so much counts as was asked for; and a
//! limit is over only if this process was in time for the last pieces.

use std::time::{Duration, Instant};

/// In so many pieces a limit is waited for by a process that was late.
const TICKS: u32 = 10;
/// How often in a row a process is in time before a limit is over.
const TIMELY: u32 = 3;
/// After how many pieces a limit is over, for a process that is never in time.
const MOST: u32 = 10 * TICKS;
/// By so much a timer may be late in a process that runs.
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// A wait, piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitTime {
    counted: Duration,
    tick: Duration,
    /// When the piece of now began, and how long it is.
    began: Instant,
    piece: Duration,
    timely: u32,
    pieces: u32,
}

impl WaitTime {
    /// A wait of about `limit`.
    pub(crate) fn of(limit: Duration) -> Self {
        Self {
            counted: Duration::ZERO,
            tick: (limit / TICKS).max(SHORTEST_TICK),
            began: Instant::now(),
            piece: limit,
            timely: TIMELY,
            pieces: 0,
        }
    }

    /// A wait that began then, and whose first piece is so long.
    pub(crate) fn from(self, began: Instant) -> Self {
        Self { began, ..self }
    }

    /// Begins a piece of which `left` is to come. Returns its length: that, or a tick where the limit
    /// is over and this process was late.
    pub(crate) fn begin(&mut self, now: Instant, left: Duration) -> Duration {
        self.began = now;
        self.piece = if left.is_zero() { self.tick } else { left };
        self.piece
    }

    /// Ends a piece, and returns how much of it counts.
    pub(crate) fn end(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.began);
        let most = self.piece + self.tick;
        self.timely = if passed <= most { self.timely + 1 } else { 0 };
        self.pieces += 1;
        self.began = now;
        let counts = passed.min(most);
        self.counted += counts;
        counts
    }

    pub(crate) fn counted(&self) -> Duration {
        self.counted
    }

    /// What has counted by now.
    pub(crate) fn by_now(mut self) -> Duration {
        self.end(Instant::now());
        self.counted
    }

    /// Returns whether this process had time for an answer.
    pub(crate) fn is_in_time(&self) -> bool {
        self.timely >= TIMELY || self.pieces >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);
    const TICK: Duration = Duration::from_millis(10);

    /// Waits for `piece` and is late by `late`.
    fn wait(wait: &mut WaitTime, now: &mut Instant, piece: Duration, late: Duration) -> Duration {
        let piece = wait.begin(*now, piece);
        *now += piece + late;
        wait.end(*now)
    }

    #[test]
    fn a_late_piece_counts_what_was_asked_for() {
        let (mut time, mut now) = (WaitTime::of(LIMIT), Instant::now());
        assert_eq!(
            wait(&mut time, &mut now, LIMIT / 2, TICK / 2),
            LIMIT / 2 + TICK / 2
        );
        assert!(time.is_in_time());
        assert_eq!(
            wait(&mut time, &mut now, LIMIT / 2, 8 * LIMIT),
            LIMIT / 2 + TICK
        );
        assert!(!time.is_in_time());
    }

    #[test]
    fn a_limit_is_over_after_three_timely_pieces() {
        let (mut time, mut now) = (WaitTime::of(LIMIT), Instant::now());
        wait(&mut time, &mut now, LIMIT, LIMIT);
        for _ in 0..TIMELY {
            assert!(!time.is_in_time());
            wait(&mut time, &mut now, Duration::ZERO, Duration::ZERO);
        }
        assert!(time.is_in_time());
    }

    #[test]
    fn a_coarse_timer_is_in_time() {
        let (mut time, mut now) = (WaitTime::of(TICK), Instant::now());
        let piece = wait(&mut time, &mut now, TICK / 10, TICK / 2);
        assert!(time.is_in_time());
        assert_eq!(piece, TICK / 10 + TICK / 2);
    }

    #[test]
    fn a_process_never_in_time_gives_up() {
        let (mut time, mut now) = (WaitTime::of(LIMIT), Instant::now());
        for _ in 0..MOST {
            assert!(!time.is_in_time() || time.pieces == 0);
            wait(&mut time, &mut now, Duration::ZERO, LIMIT);
        }
        assert!(time.is_in_time());
    }
}
