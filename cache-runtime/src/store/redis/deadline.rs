//! The one deadline of what is asked, however often it is sent.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::run_time::WaitTime;
use crate::store::Waited;

/// How much of it is left, in time in which this process ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    began: Instant,
    limit: Duration,
    time: WaitTime,
}

impl Deadline {
    pub(super) fn new(limit: Duration) -> Self {
        Self::from(Instant::now(), limit)
    }

    pub(super) fn from(now: Instant, limit: Duration) -> Self {
        Self {
            began: now,
            limit,
            time: WaitTime::of(limit).from(now.into_std()),
        }
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.time.counted())
    }

    /// Takes off what has passed.
    pub(super) fn spend(&mut self) {
        self.time.end(Instant::now().into_std());
    }

    /// Waits for `work` until half of what is left is over.
    pub(super) async fn wait_half<F: Future>(&mut self, work: Pin<&mut F>) -> Option<F::Output> {
        self.wait_for(self.left() / 2, work).await
    }

    /// Waits for `work` until nothing is left, and this process had time for the answer.
    pub(super) async fn wait<F: Future>(&mut self, mut work: Pin<&mut F>) -> Option<F::Output> {
        loop {
            let waited = self.wait_for(self.left(), work.as_mut()).await;
            if waited.is_some() || self.left().is_zero() && self.time.is_in_time() {
                return waited;
            }
        }
    }

    async fn wait_for<F: Future>(
        &mut self,
        piece: Duration,
        work: Pin<&mut F>,
    ) -> Option<F::Output> {
        let piece = self.time.begin(Instant::now().into_std(), piece);
        let waited = timeout(piece, work).await;
        if waited.is_err() {
            self.spend();
        }
        waited.ok()
    }

    /// How long the server was waited for.
    pub(super) fn waited(&self) -> Waited {
        Waited::Polled(self.time)
    }
}
