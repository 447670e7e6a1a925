//! The sender of the reads of one lane: when a batch leaves, and what its callers are answered.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout_at};

use super::{Reads, USUAL};
use crate::error::Error;
use crate::exec;
use crate::store::redis::batch::{Next, Sealed, UnderWay};
use crate::store::redis::deadline::Deadline;
use crate::store::redis::failure::{late, read, told, unfit};
use crate::store::redis::lane::Again;
use crate::store::redis::replies::{found, list};
use crate::store::redis::watch::Watched;
use crate::store::{Found, Waited};

/// The sender of the reads that wait. Dropped before it is done, as its runtime ends, it answers them.
pub(super) struct Sending {
    reads: Arc<Reads>,
    is_done: bool,
    _watched: Option<Watched>,
}

impl Sending {
    pub(super) fn of(reads: &Arc<Reads>) -> Self {
        Self {
            reads: reads.clone(),
            is_done: false,
            _watched: reads.watched(),
        }
    }

    /// Sends the reads that wait, in the next turn of the scheduler.
    pub(super) async fn run(mut self) {
        let last = self.send().await;
        // No other read depends on this sender any more.
        self.is_done = true;
        if let Some(batch) = last {
            batch.ask_and_answer().await;
        }
    }

    /// Returns the last batch.
    async fn send(&self) -> Option<OnTheWire> {
        let reads = &self.reads;
        let mut gathers = reads.answers.are_near();
        let mut gathered_since = None;
        // To the end of the queue of a worker, where another worker takes it from one that is blocked.
        exec::yield_now().await;
        loop {
            // Made before the queue is looked at, so that no answer in between is missed.
            let answered = reads.answered.notified();
            let next = reads.queue().next(gathers);
            match next {
                Next::Send(batch) => {
                    tokio::spawn(OnTheWire::of(reads, batch).ask_and_answer());
                    gathered_since = None;
                    continue;
                }
                Next::SendLast(batch) => return Some(OnTheWire::of(reads, batch)),
                Next::Gather => {
                    let since = *gathered_since.get_or_insert_with(Instant::now);
                    gathers = timeout_at(since + USUAL, answered).await.is_ok();
                }
                Next::MakeRoom(joined) => {
                    let is_answered = timeout_at(reads.end_of(joined), answered).await.is_ok();
                    if !is_answered && let Some(batch) = reads.queue().without_room() {
                        batch.answer(Err(Error::unsent()));
                    }
                }
                Next::Done => return None,
            }
            exec::yield_now().await;
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let waiting = self.reads.queue().abandon();
        // Without the lock: each of them wakes who waits for it.
        drop(waiting);
    }
}

/// A batch on the wire, until it is answered or its runtime ends.
struct OnTheWire {
    reads: Arc<Reads>,
    batch: Option<Sealed>,
    under_way: UnderWay,
    _watched: Option<Watched>,
}

impl OnTheWire {
    fn of(reads: &Arc<Reads>, batch: Sealed) -> Self {
        Self {
            reads: reads.clone(),
            under_way: UnderWay::of(&batch),
            batch: Some(batch),
            _watched: reads.watched(),
        }
    }

    async fn ask_and_answer(mut self) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let reads = self.reads.clone();
        let now = Instant::now();
        let mut asking = pin!(reads.ask(&batch, now));
        let answers = match batch.is_heavy() {
            false => asking.await,
            true => {
                let left = self
                    .reads
                    .end_of(batch.joined())
                    .saturating_duration_since(now);
                if left.is_zero() {
                    return batch.answer(Err(Error::unsent()));
                }
                match Deadline::new(left).wait(asking.as_mut()).await {
                    Some(answers) => answers,
                    None => {
                        batch.answer(Err(late()));
                        reads.queue().narrow();
                        // How it ends still says something of the server.
                        asking.await
                    }
                }
            }
        };
        reads.answers.took(now.elapsed());
        match answers.as_ref().map(|found| largest(found)) {
            Ok(Some(bytes)) if batch.is_heavy() => reads.queue().saw(bytes),
            Ok(_) => {}
            Err(_) => reads.queue().narrow(),
        }
        // Before the answers, since the callers read again at once.
        drop(self);
        batch.answer(answers);
    }
}

impl Drop for OnTheWire {
    fn drop(&mut self) {
        self.reads.queue().end(self.under_way);
        self.reads.answered.notify_waiters();
    }
}

impl Reads {
    /// All keys as one MGET, and in the same pipeline a PTTL for each that needs it.
    async fn ask(&self, batch: &Sealed, now: Instant) -> Result<Vec<Result<Found, Error>>, Error> {
        const COMMAND: &str = "MGET";
        let mut deadline = Deadline::from(now, self.lane.limit());
        let bytes = COMMAND.len() + batch.name_bytes();
        let mut mget = Cmd::with_capacity(1 + batch.len(), bytes);
        mget.arg(COMMAND);
        for name in batch.names() {
            mget.arg(name);
        }
        if !batch.lefts().any(|left| left) {
            let answer = self.lane.send_one(&mget, &mut deadline).await?;
            let values = list(answer.map_err(told)?)?;
            return found(
                values,
                batch,
                Vec::new(),
                self.waited(batch, now, &deadline),
            );
        }
        let mut commands = Pipeline::new();
        commands.add_command(mget);
        for (name, _) in batch.names().zip(batch.lefts()).filter(|(_, left)| *left) {
            commands.cmd("PTTL").arg(name);
        }
        let sending = self.lane.send(&commands, Again::Yes, &mut deadline);
        let mut answers = sending.await?;
        let times = answers.split_off(1);
        let value: Value = read(answers.pop().ok_or_else(unfit)?)?;
        found(
            list(value)?,
            batch,
            times,
            self.waited(batch, now, &deadline),
        )
    }

    /// How long a batch was waited for that was sent at `now` and is answered.
    fn waited(&self, batch: &Sealed, now: Instant, deadline: &Deadline) -> Waited {
        // Nothing before the first connection counts.
        let before = match deadline.began() > now {
            true => Duration::ZERO,
            false => now.saturating_duration_since(self.since_connected(batch.joined())),
        };
        Waited::For(before + deadline.waited().time())
    }

    /// The end of the wait for a batch of large values: one deadline after its first caller came. A first
    /// connection has a time of its own.
    fn end_of(&self, joined: Instant) -> Instant {
        match self.lane.first_connected() {
            Some(_) => self.since_connected(joined) + self.lane.limit(),
            None => joined + self.limit,
        }
    }

    fn since_connected(&self, joined: Instant) -> Instant {
        self.lane
            .first_connected()
            .map_or(joined, |first| joined.max(first))
    }
}

fn largest(found: &[Result<Found, Error>]) -> Option<usize> {
    let found = found.iter().flatten();
    found
        .filter_map(|found| found.json.as_ref().map(Vec::len))
        .max()
}
