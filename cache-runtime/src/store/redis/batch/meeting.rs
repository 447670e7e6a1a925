//! The meeting point of a sender and those who wait for what it gets.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::super::failure::ended;
use crate::error::Error;
use crate::store::Found;

/// What one of those who wait is answered, until it is taken. One may be refused by itself.
type Answer = Mutex<Option<Result<Found, Error>>>;

/// The meeting point of a sender and those who wait for what it gets.
#[derive(Default)]
pub(super) struct Batch {
    /// Who waits, in the order of coming; none where a caller left.
    waiting: Mutex<Vec<Option<Waker>>>,
    /// One for each who waits; each takes its own, so that they do not wait for each other.
    answers: OnceLock<Result<Vec<Answer>, Error>>,
}

impl Batch {
    pub(super) fn with_room_for(callers: usize) -> Self {
        Self {
            waiting: Mutex::new(Vec::with_capacity(callers)),
            answers: OnceLock::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Option<Waker>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of those who still wait.
    pub(super) fn who_waits(&self) -> Vec<usize> {
        let waiting = self.waiting();
        let places = waiting.iter().enumerate();
        places
            .filter_map(|(index, waker)| waker.as_ref().map(|_| index))
            .collect()
    }

    /// Answers those at these places, of so many who came.
    pub(super) fn answer(
        &self,
        came: usize,
        found: Result<impl Iterator<Item = (usize, Result<Found, Error>)>, Error>,
    ) {
        self.settle(found.map(|found| {
            let mut answers = Vec::with_capacity(came);
            answers.resize_with(came, || Mutex::new(None));
            for (index, found) in found {
                answers[index] = Mutex::new(Some(found));
            }
            answers
        }));
    }

    /// Nobody will answer any more.
    pub(super) fn end(&self) {
        if self.answers.get().is_none() {
            self.settle(Err(ended()));
        }
    }

    fn settle(&self, answers: Result<Vec<Answer>, Error>) {
        // Only the sender answers, once; its end is an answer only if there was none.
        if self.answers.set(answers).is_err() {
            return;
        }
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    fn take(&self, index: usize) -> Option<Result<Found, Error>> {
        Some(match self.answers.get()? {
            Err(error) => Err(error.clone()),
            Ok(answers) => {
                let answer = answers.get(index).and_then(|answer| {
                    answer.lock().unwrap_or_else(PoisonError::into_inner).take()
                });
                answer.unwrap_or_else(|| Err(ended()))
            }
        })
    }
}

/// One who waits for an answer.
pub(in super::super) struct Waiter {
    batch: Arc<Batch>,
    index: usize,
    /// Its waker is the one of the present poll.
    is_new: bool,
}

impl Waiter {
    /// One more who waits there.
    pub(super) fn at(batch: &Arc<Batch>, waker: &Waker) -> Self {
        let mut waiting = batch.waiting();
        waiting.push(Some(waker.clone()));
        Self {
            batch: batch.clone(),
            index: waiting.len() - 1,
            is_new: true,
        }
    }
}

impl Future for Waiter {
    type Output = Result<Found, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.batch.take(self.index) {
            return Poll::Ready(answer);
        }
        if std::mem::take(&mut self.is_new) {
            return Poll::Pending;
        }
        let mut waiting = self.batch.waiting();
        // The sender answers first and then takes the wakers.
        if let Some(answer) = self.batch.take(self.index) {
            return Poll::Ready(answer);
        }
        if let Some(waker) = &mut waiting[self.index] {
            waker.clone_from(context.waker());
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.batch.answers.get().is_none()
            && let Some(waker) = self.batch.waiting().get_mut(self.index)
        {
            *waker = None;
        }
    }
}
