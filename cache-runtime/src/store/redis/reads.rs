//! Reads that are there together travel together.
//!
//! A lone caller sends its GET from its own task at once. While reads are under way, those that come in
//! one turn of the scheduler go out as one MGET, in the next: one command for the server to parse and one
//! write for the connection, for up to 128 of them. However many are under way, no read waits for an answer
//! in order to be sent, with two exceptions:
//! - a server that is so near that its answer is there before a batch is full: then the batch gathers
//!   more;
//! - large values: of these no more bytes are under way than may be answered within one deadline.
//!
//! In a cluster there are no batches: the keys are on several nodes, and each node has a connection of its
//! own that sends what comes in meanwhile in one write.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::batch::{Next, Queue, Sealed, Turn, UnderWay, Waiter, Wanted};
use super::deadline::Deadline;
use super::failure::{late, read, told, unfit};
use super::lane::{Again, Lane};
use super::lone::Lone;
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
    /// A batch was answered.
    answered: Notify,
    answers: AnswerTime,
    /// How long one answer may take, where a first connection has to be made for it.
    limit: Duration,
}

/// A server that is well and near answers much sooner.
pub(super) const USUAL: Duration = Duration::from_millis(5);

impl Reads {
    pub(super) fn new(lane: Arc<Lane>, lone: Option<Arc<Lone>>, limit: Duration) -> Self {
        Self {
            lane,
            lone,
            queue: Mutex::default(),
            answered: Notify::new(),
            answers: AnswerTime::default(),
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

    /// Sends the reads that wait, in the next turn of the scheduler. Returns the last batch: no other read
    /// depends on this sender any more.
    async fn send(self: &Arc<Self>) -> Option<Sealed> {
        let mut gathers = self.answers.are_near();
        loop {
            tokio::task::yield_now().await;
            let next = self.queue().next(gathers);
            match next {
                Next::Send(batch) => {
                    tokio::spawn(self.clone().ask_and_answer(batch));
                }
                Next::SendLast(batch) => return Some(batch),
                Next::Gather => gathers = self.is_answered_by(Instant::now() + USUAL).await,
                Next::MakeRoom(joined) => {
                    if !self.is_answered_by(self.end_of(joined)).await {
                        let batch = self.queue().seal_first();
                        batch.answer(Err(Error::unsent()));
                    }
                }
                Next::Done => return None,
            }
        }
    }

    /// Whether one of the batches under way is answered by then, or none is.
    async fn is_answered_by(&self, end: Instant) -> bool {
        let mut answered = pin!(self.answered.notified());
        answered.as_mut().enable();
        !self.queue().has_batches_under_way() || timeout_at(end, answered).await.is_ok()
    }

    /// The end of the wait for a batch of large values: one deadline after its first caller came. A first
    /// connection has a time of its own.
    fn end_of(&self, joined: Instant) -> Instant {
        joined
            + match self.lane.was_connected() {
                true => self.lane.limit(),
                false => self.limit,
            }
    }

    async fn ask_and_answer(self: Arc<Self>, batch: Sealed) {
        let now = Instant::now();
        let on_the_wire = OnTheWire {
            reads: &self,
            batch: UnderWay::of(&batch),
        };
        let mut asking = pin!(self.ask(&batch, now));
        let answers = match batch.is_heavy() {
            false => asking.await,
            true => {
                let left = self.end_of(batch.joined()).saturating_duration_since(now);
                match Deadline::new(left).wait(asking.as_mut()).await {
                    Some(answers) => answers,
                    None => {
                        batch.answer(Err(late()));
                        // How it ends still says something of the server.
                        asking.await
                    }
                }
            }
        };
        if let Ok(found) = &answers {
            self.answers.took(now.elapsed());
            if batch.is_heavy() {
                let found = found.iter().flatten();
                let bytes = found.filter_map(|found| found.json.as_ref().map(Vec::len));
                self.queue().saw(bytes.sum(), batch.len());
            }
        }
        // Before the answers, since the callers read again at once.
        drop(on_the_wire);
        batch.answer(answers);
    }

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
            return found(values, batch, Vec::new(), waited(batch, now, &deadline));
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
        found(list(value)?, batch, times, waited(batch, now, &deadline))
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
            Turn::Alone => {
                let ending = Ending(reads.clone());
                let alone = async move { ending.0.get_alone(wanted).await };
                State::Alone(Box::pin(alone))
            }
            Turn::Wait(waiter) => State::Waiting(waiter),
            Turn::WaitAndSend(waiter) => {
                let sending = Sending {
                    reads: reads.clone(),
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
struct Ending(Arc<Reads>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue().end_alone();
    }
}

/// A batch on the wire, until it is answered or its runtime ends.
struct OnTheWire<'a> {
    reads: &'a Reads,
    batch: UnderWay,
}

impl Drop for OnTheWire<'_> {
    fn drop(&mut self) {
        self.reads.queue().end(self.batch);
        self.reads.answered.notify_waiters();
    }
}

/// The sender of the reads that wait. Dropped before it is done, as its runtime ends, it answers them.
struct Sending {
    reads: Arc<Reads>,
    is_done: bool,
}

impl Sending {
    async fn run(mut self) {
        let last = self.reads.send().await;
        self.is_done = true;
        if let Some(batch) = last {
            self.reads.clone().ask_and_answer(batch).await;
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

/// How long answers to batches take, about.
#[derive(Default)]
struct AnswerTime {
    /// None yet: zero.
    micros: AtomicU64,
}

impl AnswerTime {
    fn took(&self, time: Duration) {
        let (old, new) = (
            self.micros.load(Ordering::Relaxed),
            u64::try_from(time.as_micros())
                .unwrap_or(u64::MAX >> 3)
                .max(1),
        );
        let micros = match old {
            0 => new,
            old => (7 * old + new) / 8,
        };
        self.micros.store(micros, Ordering::Relaxed);
    }

    /// Whether a batch gathers more while it waits for the answer to another.
    fn are_near(&self) -> bool {
        const NEAR: u64 = 300;
        (1..NEAR).contains(&self.micros.load(Ordering::Relaxed))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_near_by_its_usual_answers() {
        let (near, far) = (Duration::from_micros(50), Duration::from_millis(20));
        let answers = AnswerTime::default();
        assert!(!answers.are_near(), "nothing is known");
        answers.took(near);
        assert!(answers.are_near());
        answers.took(far);
        assert!(!answers.are_near());
        for _ in 0..20 {
            answers.took(near);
        }
        assert!(answers.are_near(), "one was late");
    }
}
