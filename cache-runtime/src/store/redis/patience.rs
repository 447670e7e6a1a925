//! Waiting that only counts while it could have been over.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// In so many pieces a limit is waited for.
const TICKS: u32 = 10;

/// Waits for `work`, for at most `limit` of the time in which it was also looked at. A process that
/// was starved or frozen meanwhile would else take itself for a server that does not answer: however
/// long it was kept from looking, that counts as two pieces. A busy one, which is late by less each
/// time, waits no longer for that.
pub(super) async fn patiently<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let tick = limit / TICKS;
    let mut left = limit;
    loop {
        let began = Instant::now();
        if let Ok(output) = timeout(tick.min(left), work.as_mut()).await {
            return Some(output);
        }
        let counts = began.elapsed().min(2 * tick);
        left = left.saturating_sub(counts.max(Duration::from_nanos(1)));
        if left.is_zero() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_than_the_limit_is_not_waited_for() {
        let began = tokio::time::Instant::now();
        assert_eq!(patiently(LIMIT, std::future::pending::<()>()).await, None);
        assert!(began.elapsed() >= LIMIT && began.elapsed() < 2 * LIMIT);
        assert_eq!(patiently(LIMIT, async { 7 }).await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_no_longer_for_a_timer_that_is_coarse_or_a_look_that_is_late() {
        const SHORT: Duration = Duration::from_millis(25);
        const LATE: Duration = Duration::from_millis(15);
        let began = tokio::time::Instant::now();
        assert_eq!(patiently(SHORT, std::future::pending::<()>()).await, None);
        assert!(began.elapsed() <= SHORT + Duration::from_millis(1));

        let busy = async {
            loop {
                tokio::time::advance(LATE).await;
            }
        };
        let began = tokio::time::Instant::now();
        assert_eq!(patiently(LIMIT, busy).await, None::<()>);
        assert!(began.elapsed() <= LIMIT + 2 * LATE);
    }

    #[tokio::test]
    async fn the_time_in_which_the_thread_was_kept_from_looking_does_not_count() {
        let work = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                // Nothing on this thread is looked at meanwhile.
                std::thread::sleep(2 * LIMIT);
            }
        };
        assert_eq!(patiently(LIMIT, work).await, Some(()));
    }
}
