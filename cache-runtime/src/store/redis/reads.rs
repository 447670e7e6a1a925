//! Reads that wait together travel together.
//!
//! A lone caller sends its GET from its own task at once. Callers who come while one is under way
//! wait, and go out as one MGET: one command for the server to parse and one write for the
//! connection, for up to 128 of them.
//!
//! In a cluster nobody waits for anybody: the keys are on several nodes, and each node has a
//! connection of its own that sends what comes in meanwhile in one write.
//!
//! Each of these rules was worth something, by measurement or by a caller that waited for ever:
//! - one batch at a time, and a further one only when many wait: small batches cost more than they
//!   save;
//! - a lone read is sent and waited for by its caller's own task, but what waits behind it is not left
//!   to that task: it may not be looked at again for long, as in a stream whose consumer is busy;
//! - but before a crowd, which would wait for many answers in turn, a sender that waits while this process
//!   is idle sends more: the server is far away, and there is time for its answers;
//! - before a batch is taken after a wide one, yield once: those just answered ask again;
//! - after a batch of one, leave before answering: a lone caller after a burst would otherwise find
//!   the lane busy with its own last read, for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::batch::{Behind, Queue, Sealed, Turn, Waiter, Wanted};
use super::deadline::Deadline;
use super::failure::{late, read, told, unfit};
use super::lane::{Again, Lane};
use super::lone::Lone;
use super::pace::{Pace, Wait};
use super::patience::{patiently, patiently_while_busy};
use super::replies::{found, get, list, string, time_left};
use crate::error::Error;
use crate::key::OnServer;
use crate::store::{Found, Waited};

/// The reads of one lane.
pub(super) struct Reads {
    lane: Arc<Lane>,
    /// For who reads alone, but what is large: that has room made for it on the lane, and a deadline as a
    /// whole.
    lone: Option<Arc<Lone>>,
    queue: Mutex<Queue>,
    /// How long one answer may take, where a first connection has to be made for it.
    limit: Duration,
}

/// A lone read that is not answered by then is not waited for before more is sent: a server that is well
/// takes far less.
pub(super) const USUAL: Duration = Duration::from_millis(5);

impl Reads {
    pub(super) fn new(lane: Arc<Lane>, lone: Option<Arc<Lone>>, limit: Duration) -> Self {
        Self {
            lane,
            lone,
            queue: Mutex::default(),
            limit,
        }
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(super) fn close(&self) {
        self.lane.close();
        if let Some(lone) = &self.lone {
            lone.close();
        }
    }

    /// What stands under a key. To be polled on the runtime of the lane.
    pub(super) fn get<'a>(self: &Arc<Self>, wanted: Wanted<'a>) -> Get<'a> {
        Get {
            reads: self.clone(),
            wanted,
            state: State::New,
        }
    }

    /// What one caller asks for, by itself.
    async fn get_alone(&self, wanted: Wanted<'_>) -> Result<Found, Error> {
        if wanted.left {
            // Boxed, or each lone read would have room for this one, which is larger.
            return Box::pin(self.get_with_time(wanted.name)).await;
        }
        let mut deadline = self.lane.deadline();
        let answer = if let Some(lone) = &self.lone
            && let Some(answer) = lone.get(wanted.name).await
        {
            answer
        } else {
            deadline.spend();
            self.lane.send_one(&get(wanted.name), &mut deadline).await?
        };
        let json = string(answer)?;
        Ok(Found {
            json,
            waited: deadline.waited(),
            ..Found::default()
        })
    }

    /// And for how long it stays yet.
    async fn get_with_time(&self, name: OnServer<'_>) -> Result<Found, Error> {
        let mut commands = Pipeline::with_capacity(2);
        commands.add_command(get(name));
        commands.cmd("PTTL").arg(name);
        let mut deadline = self.lane.deadline();
        let sending = self.lane.send(&commands, Again::Yes, &mut deadline);
        let [value, left] = sending.await?.try_into().map_err(|_| unfit())?;
        Ok(Found {
            json: string(value)?,
            left: time_left(left)?,
            waited: deadline.waited(),
            watched: false,
        })
    }

    /// Sends what waits, one batch after the other. One that takes a good part of the deadline is left to
    /// itself, so that nobody waits first for it and then for his own. But not where it is this process that
    /// has too much to do: all would be sent at once, and the answers to all be late.
    async fn send(self: &Arc<Self>) {
        let mut wide = self.queue().was_wide();
        let mut pace = Pace::default();
        let limit = self.lane.limit();
        loop {
            if wide {
                tokio::task::yield_now().await;
            }
            let (batch, crowded) = {
                let mut queue = self.queue();
                let Some(batch) = queue.seal() else {
                    return;
                };
                (batch, queue.is_crowded())
            };
            wide = batch.len() > 1;
            let now = Instant::now();
            let end = self.end_of(&batch);
            let heavy = batch.is_heavy;
            // Of small values nobody waits here but for a process that has no time for him.
            if heavy && end <= now {
                batch.answer(Err(Error::unsent()));
                continue;
            }
            let batch = Arc::new(batch);
            let mut asking = Box::pin(self.clone().ask(batch.clone(), now));
            let wait = match heavy {
                true => Wait::UntilItsEnd,
                false => pace.next(crowded),
            };
            let answered = match wait {
                Wait::UntilItsEnd => timeout_at(end, asking.as_mut()).await.ok(),
                Wait::Patiently => patiently(limit / 4, asking.as_mut()).await,
                Wait::WhileBusy => patiently_while_busy(limit / 4, asking.as_mut()).await,
                Wait::Not => None,
            };
            let Some(answers) = answered else {
                // What is over its deadline already has waited for this process, and is waited for yet as
                // patiently as the others.
                let end = if heavy { end } else { end.max(now + limit / 4) };
                tokio::spawn(answer_by(end, batch, asking));
                continue;
            };
            pace = Pace::default();
            let done = !wide && self.queue().leave();
            batch.answer(answers);
            if done {
                return;
            }
        }
    }

    /// When nobody waits for a batch any more: one deadline after the first of its callers came, but for
    /// what it takes to connect at first.
    fn end_of(&self, batch: &Sealed) -> Instant {
        let limit = match self.lane.was_connected() {
            true => self.lane.limit(),
            false => self.limit,
        };
        batch.joined() + limit
    }

    /// Waits for the end of a lone read, but not for ever: its caller may not look at it any more,
    /// as a stream of calls whose consumer does something else.
    async fn wait_behind(&self, behind: &mut Behind) {
        let longest = match behind.is_heavy {
            true => self.lane.limit(),
            false => USUAL,
        };
        // Over, or ended: what waits is sent.
        let _ = timeout(longest, &mut behind.end).await;
    }

    /// All keys as one MGET, and in the same pipeline a PTTL for each that needs it.
    async fn ask(
        self: Arc<Self>,
        batch: Arc<Sealed>,
        now: Instant,
    ) -> Result<Vec<Result<Found, Error>>, Error> {
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
            return found(values, &batch, Vec::new(), waited(&batch, now, &deadline));
        }
        let mut commands = Pipeline::new();
        commands.add_command(mget);
        for (name, _) in batch.names().zip(batch.lefts()).filter(|(_, left)| *left) {
            commands.cmd("PTTL").arg(name);
        }
        let sending = self.lane.send(&commands, Again::Yes, &mut deadline);
        let mut answers = sending.await?;
        let times = answers.split_off(1);
        let values: Value = read(answers.pop().ok_or_else(unfit)?)?;
        found(list(values)?, &batch, times, waited(&batch, now, &deadline))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller's read. A future of few words, since it is part of the future of each annotated call.
pub(crate) struct Get<'a> {
    reads: Arc<Reads>,
    wanted: Wanted<'a>,
    state: State<'a>,
}

enum State<'a> {
    New,
    Waiting(Waiter),
    Alone(Pin<Box<dyn Future<Output = Result<Found, Error>> + Send + 'a>>),
}

impl<'a> Get<'a> {
    fn begin(&self, context: &Context<'_>) -> State<'a> {
        let (reads, wanted) = (&self.reads, self.wanted);
        if reads.lane.is_cluster() {
            // Together, those of a node that is away would take the others with them.
            let reads = reads.clone();
            return State::Alone(Box::pin(async move { reads.get_alone(wanted).await }));
        }
        let turn = reads.queue().take_turn(wanted, context.waker());
        match turn {
            Turn::Alone(number) => {
                let ending = Ending(reads.clone(), number);
                let alone = async move { ending.0.get_alone(wanted).await };
                State::Alone(Box::pin(alone))
            }
            Turn::Wait(waiter) => State::Waiting(waiter),
            Turn::WaitAndSend(waiter, behind) => {
                let sending = Sending {
                    reads: reads.clone(),
                    behind,
                    is_done: false,
                };
                tokio::spawn(sending.run());
                State::Waiting(waiter)
            }
        }
    }
}

impl Future for Get<'_> {
    type Output = Result<Found, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New = self.state {
            self.state = self.begin(context);
        }
        match &mut self.state {
            State::New => Poll::Pending,
            State::Waiting(waiter) => Pin::new(waiter).poll(context),
            State::Alone(alone) => alone.as_mut().poll(context),
        }
    }
}

/// Ends a lone read, also when its caller leaves half way.
struct Ending(Arc<Reads>, u64);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue().end_alone(self.1);
    }
}

/// Whoever sends what waits. Dropped before it is done, since its runtime ended, it keeps nobody
/// waiting.
struct Sending {
    reads: Arc<Reads>,
    behind: Option<Behind>,
    is_done: bool,
}

impl Sending {
    async fn run(mut self) {
        if let Some(behind) = &mut self.behind {
            self.reads.wait_behind(behind).await;
        }
        self.take_over();
        self.reads.send().await;
        self.is_done = true;
    }

    fn take_over(&mut self) {
        if let Some(behind) = self.behind.take() {
            self.reads.queue().take_over(&behind);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.take_over();
        let waiting = self.reads.queue().abandon();
        // Without the lock: each of them wakes who waits for it.
        drop(waiting);
    }
}

/// Answers a batch that is slow, at its end at the latest. Then who waits goes on without an answer; how
/// the asking ends still says something of the server.
async fn answer_by(
    end: Instant,
    batch: Arc<Sealed>,
    mut asking: Pin<Box<impl Future<Output = Result<Vec<Result<Found, Error>>, Error>>>>,
) {
    let left = end.saturating_duration_since(Instant::now());
    match Deadline::new(left).wait(asking.as_mut()).await {
        Some(answers) => batch.answer(answers),
        None => {
            batch.answer(Err(late()));
            drop(asking.await);
        }
    }
}

/// How long a batch was waited for that was sent at `now` and is answered.
fn waited(batch: &Sealed, now: Instant, deadline: &Deadline) -> Waited {
    // It begins later where the first connection had to be made, and nothing before that counts.
    let before = match deadline.began() > now {
        true => Duration::ZERO,
        false => now - batch.joined(),
    };
    Waited::For(before + deadline.waited().time())
}
