//! Reads that wait together travel together.
//!
//! A lone caller sends its GET from its own task at once. Callers who come while one is under way
//! wait, and go out as one MGET: one command for the server to parse and one write for the
//! connection, for up to 128 of them. A batch is sealed when it is sent: nobody joins a read that is
//! on the wire, since an invalidation may have come, and returned, after it.
//!
//! Each of these rules was worth something by measurement:
//! - one batch at a time, and a further one only when many wait: small batches cost more than they
//!   save;
//! - before a batch is taken after a wide one, yield once: those just answered ask again;
//! - after a batch of one, leave before answering: a lone caller after a burst would otherwise find
//!   the lane busy with its own last read, for ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value, cmd};
use tokio::sync::oneshot;

use super::failure::{ended, late, read, unfit};
use super::lane::{Again, Lane};
use crate::error::Error;
use crate::store::{Found, Left};

const MOST_KEYS: usize = 128;
const MOST_BATCHES: usize = 4;
/// So many must wait for a further batch beside one that is under way.
const WORTH_ANOTHER: usize = 64;

/// What one caller asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// And for how long it stays yet.
    pub(super) left: bool,
}

struct Waiting {
    wanted: Wanted,
    answer: oneshot::Sender<Result<Found, Error>>,
}

/// Who waits and what is under way: decides, and does nothing.
#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Reads on the wire, alone or in a batch.
    under_way: usize,
    /// How many keys went out together last; one where callers come one at a time.
    last: usize,
}

enum Turn {
    /// Send it yourself, now.
    Alone(Wanted),
    Wait(oneshot::Receiver<Result<Found, Error>>),
    /// Wait, and somebody must send what waits.
    WaitAndSend(oneshot::Receiver<Result<Found, Error>>),
}

impl Queue {
    fn take_turn(&mut self, wanted: Wanted) -> Turn {
        if self.under_way == 0 && self.last <= 1 {
            self.under_way = 1;
            self.last = 1;
            return Turn::Alone(wanted);
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push(Waiting { wanted, answer });
        let is_worth_it = self.waiting.len() >= WORTH_ANOTHER && self.under_way < MOST_BATCHES;
        if self.under_way == 0 || is_worth_it {
            self.under_way += 1;
            return Turn::WaitAndSend(answered);
        }
        Turn::Wait(answered)
    }

    /// Seals the next batch. If nobody waits, this sender is done.
    fn seal(&mut self) -> Option<Vec<Waiting>> {
        // Those who left meanwhile want no answer.
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        if self.waiting.is_empty() {
            self.under_way -= 1;
            return None;
        }
        let count = self.waiting.len().min(MOST_KEYS);
        self.last = count;
        Some(self.waiting.drain(..count).collect())
    }

    /// After a batch of one, before it is answered: whether this sender is done.
    fn leave(&mut self) -> bool {
        let done = self.waiting.is_empty();
        self.under_way -= usize::from(done);
        done
    }

    /// A lone read ended: whether somebody must send what waits now.
    fn end_alone(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.under_way -= 1;
            return false;
        }
        self.last = 2;
        true
    }
}

/// The reads of one lane.
pub(super) struct Reads {
    lane: Arc<Lane>,
    queue: Mutex<Queue>,
    /// Bounds a batch; each of its callers has an answer by then.
    limit: Duration,
}

impl Reads {
    pub(super) fn new(lane: Arc<Lane>, limit: Duration) -> Self {
        Self {
            lane,
            queue: Mutex::default(),
            limit,
        }
    }

    pub(super) fn close(&self) {
        self.lane.close();
    }

    /// Must be called on the runtime of the lane.
    pub(super) async fn get(self: &Arc<Self>, wanted: Wanted) -> Result<Found, Error> {
        // The lock is of a statement of its own: it must not be held over what follows.
        let turn = self.queue().take_turn(wanted);
        let answered = match turn {
            Turn::Alone(wanted) => {
                let _ending = Ending(self);
                return self.get_alone(&wanted).await;
            }
            Turn::Wait(answered) => answered,
            Turn::WaitAndSend(answered) => {
                tokio::spawn(self.clone().send());
                answered
            }
        };
        // The sender ended without an answer only if its runtime ends.
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// What one caller asks for, by itself. MGET even for one key: under a key of another type it
    /// finds nothing, where GET is an error.
    async fn get_alone(&self, wanted: &Wanted) -> Result<Found, Error> {
        let Wanted { name, left } = wanted;
        if !left {
            let mut mget = cmd("MGET");
            mget.arg(name);
            let json = one(self.lane.send_one(&mget).await?)?;
            return Ok(Found {
                json,
                left: Left::Unknown,
            });
        }
        let mut answers = self.ask(std::slice::from_ref(wanted)).await?;
        answers.pop().ok_or_else(unfit)
    }

    async fn send(self: Arc<Self>) {
        let mut wide = self.queue().last > 1;
        loop {
            if wide {
                tokio::task::yield_now().await;
            }
            let Some(batch) = self.queue().seal() else {
                return;
            };
            wide = batch.len() > 1;
            let wanted: Vec<_> = batch.iter().map(|waiting| waiting.wanted.clone()).collect();
            let asking = tokio::time::timeout(self.limit, self.ask(&wanted));
            let answers = asking.await.unwrap_or_else(|_| Err(late()));
            let done = !wide && self.queue().leave();
            answer(batch, answers);
            if done {
                return;
            }
        }
    }

    /// All keys as one MGET, and in the same pipeline a PTTL for each that needs it.
    async fn ask(&self, wanted: &[Wanted]) -> Result<Vec<Found>, Error> {
        let mut mget = cmd("MGET");
        for wanted in wanted {
            mget.arg(&wanted.name);
        }
        if !wanted.iter().any(|wanted| wanted.left) {
            let values = list(self.lane.send_one(&mget).await?)?;
            return found(values, wanted, Vec::new());
        }
        let mut commands = Pipeline::new();
        commands.add_command(mget);
        for wanted in wanted.iter().filter(|wanted| wanted.left) {
            commands.add_command(pttl(&wanted.name));
        }
        let mut answers = self.lane.send(&commands, Again::Yes).await?;
        let times = answers.split_off(1);
        let values: Value = read(answers.pop().ok_or_else(unfit)?)?;
        found(list(values)?, wanted, times)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a lone read, also when its caller leaves half way.
struct Ending<'a>(&'a Arc<Reads>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let must_send = self.0.queue().end_alone();
        if must_send && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.0.clone().send());
        }
    }
}

fn answer(batch: Vec<Waiting>, answers: Result<Vec<Found>, Error>) {
    match answers {
        Ok(answers) => {
            for (waiting, answer) in batch.into_iter().zip(answers) {
                // Who left meanwhile wants no answer.
                let _ = waiting.answer.send(Ok(answer));
            }
        }
        Err(error) => {
            for waiting in batch {
                let _ = waiting.answer.send(Err(error.clone()));
            }
        }
    }
}

fn found(
    values: Vec<Value>,
    wanted: &[Wanted],
    times: Vec<RedisResult<Value>>,
) -> Result<Vec<Found>, Error> {
    if values.len() != wanted.len() {
        return Err(unfit());
    }
    let mut times = times.into_iter();
    let of_one = |(value, wanted): (Value, &Wanted)| {
        let left = match wanted.left {
            true => left(times.next().ok_or_else(unfit)?)?,
            false => Left::Unknown,
        };
        Ok(Found {
            json: bytes(value)?,
            left,
        })
    };
    values.into_iter().zip(wanted).map(of_one).collect()
}

fn pttl(name: &str) -> Cmd {
    let mut pttl = cmd("PTTL");
    pttl.arg(name);
    pttl
}

/// By [PTTL](https://redis.io/docs/latest/commands/pttl/): -1 is for ever, -2 is gone.
fn left(answer: RedisResult<Value>) -> Result<Left, Error> {
    Ok(match read::<i64>(answer)? {
        -1 => Left::Forever,
        left => {
            u64::try_from(left).map_or(Left::Unknown, |left| Left::For(Duration::from_millis(left)))
        }
    })
}

fn one(values: Value) -> Result<Option<Vec<u8>>, Error> {
    bytes(list(values)?.pop().ok_or_else(unfit)?)
}

fn list(values: Value) -> Result<Vec<Value>, Error> {
    match values {
        Value::Array(values) => Ok(values),
        _ => Err(unfit()),
    }
}

fn bytes(value: Value) -> Result<Option<Vec<u8>>, Error> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(unfit()),
    }
}

#[cfg(test)]
mod tests;
