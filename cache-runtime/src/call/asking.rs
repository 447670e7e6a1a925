//! What a call asks the server after its read, all within the one deadline of the call.
//!
//! A server that has answered all so far in a tenth of it is left to the deadline of its connection,
//! which has a whole one for each answer and patience with a process that is too busy to read it: a
//! usual miss needs no timer but that. So a call is late by a deadline, and by a tenth more at most where
//! the server was quick and then fell silent.
//!
//! It is the deadline of those who follow, too: the first of them whose time is over ends the asking.

use std::time::{Duration, Instant};

use super::Search;
use crate::cache::Unanswered;
use crate::error::{Error, ErrorKind};
use crate::exec::{self, Work};
use crate::lease::Token;
use crate::run_time::WaitTime;
use crate::store::{Found as Stored, Leased, Lock};

impl Search {
    /// What the read took is spent. Only now, since a hit has no use for it, nor time to look at a clock.
    ///
    /// It leaves a little: it may have been this process that was late, and without any time a follower would
    /// end the flight of a load that fails, with what is known of its failures.
    pub(super) fn has_read(&mut self) {
        let waited = std::mem::take(&mut self.waited);
        self.spend(waited.time());
        self.left = self.left.max(self.place.cache.response_timeout() / 10);
    }

    /// How long the next answer may take, if for less than any.
    pub(super) fn limit(&self) -> Option<Duration> {
        let whole = self.place.cache.response_timeout();
        (self.left < whole - whole / 10).then_some(self.left)
    }

    pub(super) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// With what is left to be made up for if there was no answer.
    pub(super) async fn lease(
        &mut self,
        token: Token,
        life: Duration,
    ) -> (Result<Leased, Error>, Option<Unanswered>) {
        let (cache, key) = (self.place.cache.clone(), self.place.key.clone());
        let leasing = async move { cache.store().lease(&key, &token, life).await };
        let is_ours = |leased: &Leased| matches!(leased, Leased::Ours);
        self.take(Lock::Lease, token, Box::pin(leasing), is_ours)
            .await
    }

    pub(super) async fn displace(
        &mut self,
        unusable: Vec<u8>,
        token: Token,
        life: Duration,
    ) -> Result<bool, Error> {
        let (cache, key) = (self.place.cache.clone(), self.place.key.clone());
        let displacing = async move { cache.store().displace(&key, &unusable, &token, life).await };
        self.take(Lock::Lease, token, Box::pin(displacing), |ours| *ours)
            .await
            .0
    }

    pub(super) async fn claim(
        &mut self,
        token: Token,
        life: Duration,
        take_over: bool,
    ) -> Result<bool, Error> {
        let (cache, key) = (self.place.cache.clone(), self.place.key.clone());
        let claiming = async move { cache.store().claim(&key, &token, life, take_over).await };
        self.take(Lock::Refresh, token, Box::pin(claiming), |ours| *ours)
            .await
            .0
    }

    async fn take<T: Send + 'static>(
        &mut self,
        lock: Lock,
        token: Token,
        taking: Work<Result<T, Error>>,
        is_ours: fn(&T) -> bool,
    ) -> (Result<T, Error>, Option<Unanswered>) {
        let unanswered = self.place.sends(lock, token);
        match self.ask(taking).await {
            Ok(taken) => {
                let unanswered = unanswered.after(&taken);
                (taken, unanswered)
            }
            Err(taking) => {
                unanswered.leave(async move { taking.await.map(|taken| is_ours(&taken)) });
                (Err(Error::late()), None)
            }
        }
    }

    pub(super) async fn release(&mut self, token: Token) -> Result<(), Error> {
        let (cache, key) = (self.place.cache.clone(), self.place.key.clone());
        let releasing = async move { cache.store().release(&key, Lock::Lease, &token).await };
        self.end(Box::pin(releasing)).await
    }

    pub(super) async fn remove(&mut self) -> Result<(), Error> {
        let (cache, key) = (self.place.cache.clone(), self.place.key.clone());
        let removing = async move { cache.store().remove(&key).await.map(drop) };
        self.end(Box::pin(removing)).await
    }

    /// What is not removed in time is owed meanwhile.
    pub(super) async fn forget(&mut self) {
        let (cache, key) = (self.place.cache.clone(), self.place.key.clone());
        let removing = async move { cache.remove(&key).await.map(drop) };
        let removed = self.end(Box::pin(removing)).await;
        if removed.is_err_and(|error| error.kind() == ErrorKind::Timeout) {
            self.place.cache.owe(&self.place.key);
        }
    }

    async fn end(&mut self, ending: Work<Result<(), Error>>) -> Result<(), Error> {
        self.ask(ending).await.unwrap_or_else(|ending| {
            exec::go_on(async move { drop(ending.await) });
            Err(Error::late())
        })
    }

    /// Waits for as long as is left. What is not there by then is handed back, to go on behind: that its
    /// caller has no time for it says nothing of the server, and how it ends does.
    async fn ask<T>(&mut self, asking: Work<T>) -> Result<T, Work<T>> {
        let whole = self.place.cache.response_timeout();
        let (limit, left) = (self.limit(), self.left);
        let mut time = WaitTime::of(whole);
        let mut asking = asking;
        loop {
            let remaining = limit.unwrap_or(whole).saturating_sub(time.counted());
            let piece = time.begin(Instant::now(), remaining);
            let mut is_hurried = false;
            let over = async {
                is_hurried = self.is_hurried_within(piece).await;
            };
            let answer = exec::before_or_back(over, asking).await;
            time.end(Instant::now());
            self.left = left.saturating_sub(time.counted());
            let is_over = limit.is_some_and(|limit| time.counted() >= limit) && time.is_in_time();
            match answer {
                Err(work) if !is_hurried && !is_over => asking = work,
                answer => return answer,
            }
        }
    }

    /// Returns whether the time of one is over that waits for this call.
    async fn is_hurried_within(&self, piece: Duration) -> bool {
        let hurried = async {
            match &self.hurry {
                Some(hurry) => hurry.wait().await,
                None => std::future::pending().await,
            }
        };
        exec::within(piece, hurried).await.is_some()
    }

    /// What is stored by now, if it is told in time.
    pub(super) async fn read_in_time(&mut self) -> Result<Stored, Error> {
        match self.limit() {
            None => self.read().await,
            Some(limit) => {
                // With the time that is left, since a thread would block without it.
                let read = exec::within(limit, self.read_with(true)).await;
                read.unwrap_or_else(|| Err(Error::late()))
            }
        }
    }
}
