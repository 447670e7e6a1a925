//! Reads of threads, which are blocked while they wait.
//!
//! A thread that waits for another to talk to the server pays for two switches between them, which
//! is most of what a read costs. So a lone thread sends on a connection of the blocking kind itself.
//! Threads that come meanwhile are blocked; the one who leads takes their keys along in its MGET,
//! hands the lead to one of those who came later, and only then gives out the answers.
//!
//! This is a short cut and never the only way: while there is no such connection (the first is made
//! behind, on first use, and so is one in the place of one that broke), threads read by way of the
//! lanes like everybody else. For a cluster or with a time to ask for there is none at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, RedisResult, Value};

use super::batch::MOST_KEYS;
use super::connect::{Blocking, Connector};
use super::failure::{told, unfit};
use super::health::{AsOf, Health};
use super::reads::USUAL;
use super::replies::{bytes, list, string};
use super::resp::pack_get;
use super::said::Said;
use crate::error::Error;
use crate::exec;
use crate::key::OnServer;
use crate::store::{Found, Waited};

/// From one attempt to connect to the next.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Threads {
    connector: Arc<Connector>,
    health: Arc<Health>,
    queue: Mutex<Queue>,
    /// Whether there is a connection, with whoever leads or without.
    connected: AtomicBool,
    connecting: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_led: bool,
    /// While nobody leads.
    held: Option<Box<Held>>,
    closed: bool,
}

struct Held {
    connection: Blocking,
    as_of: AsOf,
    /// The last command; its room is for the next one.
    command: Vec<u8>,
}

struct Waiting {
    name: String,
    slot: Arc<Slot>,
}

/// Where a blocked thread is told how it goes on.
struct Slot {
    word: Mutex<Option<Word>>,
    thread: Thread,
}

/// What stands under each of some keys.
type Asked = Result<Vec<Option<Vec<u8>>>, Error>;

enum Word {
    Answer(Result<Option<Vec<u8>>, Error>),
    /// With the connection, if there is one.
    Lead(Option<Box<Held>>),
    /// Ask by way of the lanes.
    Elsewhere,
}

impl Slot {
    fn tell(&self, word: Word) {
        *self.word() = Some(word);
        self.thread.unpark();
    }

    fn wait(&self) -> Word {
        loop {
            if let Some(word) = self.word().take() {
                return word;
            }
            std::thread::park();
        }
    }

    /// Waits until then at most.
    fn wait_until(&self, end: Instant) -> Option<Word> {
        loop {
            if let Some(word) = self.word().take() {
                return Some(word);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left);
        }
    }

    fn word(&self) -> MutexGuard<'_, Option<Word>> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread that comes does.
enum Turn<'a> {
    /// It leads, and nobody waits.
    Alone(Leading<'a>),
    Wait(Arc<Slot>),
}

impl Threads {
    pub(super) fn new(connector: Arc<Connector>, health: Arc<Health>) -> Arc<Self> {
        Arc::new(Self {
            connector,
            health,
            queue: Mutex::default(),
            connected: AtomicBool::new(false),
            connecting: AtomicBool::new(false),
        })
    }

    /// What stands under a key, by blocking this thread; none if it is to be asked by way of the
    /// lanes.
    pub(super) fn get(self: &Arc<Self>, name: OnServer<'_>) -> Option<Result<Found, Error>> {
        if !self.connected.load(Ordering::Acquire) {
            self.connect_behind();
            return None;
        }
        let slot = match self.take_turn(name) {
            Turn::Alone(leading) => return leading.ask_alone(name),
            Turn::Wait(slot) => slot,
        };
        let came = Instant::now();
        match self.wait(&slot, came + USUAL)? {
            Word::Answer(answer) => Some(answer.map(|json| found(json, came))),
            Word::Elsewhere => None,
            Word::Lead(held) => self.lead(held, name),
        }
    }

    /// What a thread that waits is told. None if nobody takes its key along for so long: the connection has
    /// one command on its way at a time, and where that is slow, nobody waits first for it and then for
    /// his own.
    fn wait(&self, slot: &Arc<Slot>, end: Instant) -> Option<Word> {
        let word = slot.wait_until(end);
        if word.is_some() {
            return word;
        }
        {
            let waiting = &mut self.queue().waiting;
            let at = waiting.iter().position(|of| Arc::ptr_eq(&of.slot, slot));
            if let Some(at) = at {
                waiting.remove(at);
                return None;
            }
        }
        // Its key is on its way, or the lead is.
        Some(slot.wait())
    }

    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        self.keep(&mut queue, None);
    }

    fn take_turn(&self, name: OnServer<'_>) -> Turn<'_> {
        let mut queue = self.queue();
        if !queue.is_led {
            queue.is_led = true;
            let held = queue.held.take();
            return Turn::Alone(Leading {
                threads: self,
                held,
            });
        }
        let slot = Arc::new(Slot {
            word: Mutex::default(),
            thread: std::thread::current(),
        });
        queue.waiting.push(Waiting {
            name: name.to_string(),
            slot: slot.clone(),
        });
        Turn::Wait(slot)
    }

    fn lead(&self, held: Option<Box<Held>>, name: OnServer<'_>) -> Option<Result<Found, Error>> {
        let mut leading = Leading {
            threads: self,
            held,
        };
        let batch = Batch({
            let mut queue = self.queue();
            let count = queue.waiting.len().min(MOST_KEYS - 1);
            queue.waiting.drain(..count).collect()
        });
        if batch.0.is_empty() {
            return leading.ask_alone(name);
        }
        let now = Instant::now();
        let asked = leading.ask_for(name, &batch.0, now);
        // The next one is on its way while these answers are given out.
        drop(leading);
        match asked? {
            Err(error) => {
                batch.answer(std::iter::repeat_with(|| Err(error.clone())));
                Some(Err(error))
            }
            Ok(mut answers) => {
                let rest = answers.split_off(1);
                batch.answer(rest.into_iter().map(Ok));
                answers.pop().map(|json| Ok(found(json, now)))
            }
        }
    }

    /// Keeps a connection for the next to lead, or none.
    fn keep(&self, queue: &mut Queue, held: Option<Box<Held>>) {
        queue.held = held.filter(|_| !queue.closed);
        self.connected
            .store(queue.held.is_some(), Ordering::Release);
    }

    fn connect_behind(self: &Arc<Self>) {
        if self.health.is_away() || self.connecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let threads = Arc::downgrade(self);
        let connecting = async move {
            let connect = move || threads.upgrade().and_then(|threads| threads.connect());
            // It ends only with the process, or by a panic of a library: then the lanes remain.
            let connecting = tokio::task::spawn_blocking(connect).await;
            if let Ok(Some(threads)) = connecting {
                tokio::time::sleep(PAUSE).await;
                if let Some(threads) = Weak::upgrade(&threads) {
                    threads.connecting.store(false, Ordering::Release);
                }
            }
        };
        // Without the I/O thread there are no lanes either.
        let _ = exec::spawn_on_io(connecting);
    }

    /// Connects; afterwards, another may be tried for. None where threads always read by way of the
    /// lanes.
    fn connect(self: &Arc<Self>) -> Option<Weak<Self>> {
        let as_of = self.health.as_of();
        match self.connector.connect_blocking()? {
            Ok(connection) => {
                let held = Box::new(Held {
                    connection,
                    as_of,
                    command: Vec::new(),
                });
                self.keep(&mut self.queue(), Some(held));
            }
            Err(error) => trace(&error),
        }
        Some(Arc::downgrade(self))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn found(json: Option<Vec<u8>>, asked: Instant) -> Found {
    Found {
        json,
        waited: Waited::Since(asked),
        ..Found::default()
    }
}

/// The lanes see the same server and say what is the matter with it.
fn trace(error: &RedisError) {
    tracing::debug!(code = error.code(), "a connection for threads was not made");
}

/// The lead. It is handed on, whatever happens to who has it.
struct Leading<'a> {
    threads: &'a Threads,
    /// None while it is in use: nobody may have it after half an answer.
    held: Option<Box<Held>>,
}

impl Leading<'_> {
    fn ask_alone(mut self, name: OnServer<'_>) -> Option<Result<Found, Error>> {
        let now = Instant::now();
        match self.ask(|command| pack_get(name, command), now)? {
            // Nearly always. The rest is moved about more than once.
            Ok(Value::BulkString(json)) => Some(Ok(found(Some(json), now))),
            answer => Some(string(answer).map(|json| found(json, now))),
        }
    }

    fn ask_for(&mut self, name: OnServer<'_>, others: &[Waiting], now: Instant) -> Option<Asked> {
        let mut mget = Cmd::new();
        mget.arg("MGET").arg(name);
        for waiting in others {
            mget.arg(&waiting.name);
        }
        let count = 1 + others.len();
        let pack = |command: &mut Vec<u8>| mget.write_packed_command(command);
        let values = self.ask(pack, now)?.map_err(told).and_then(list);
        let values = values.and_then(|values| match values.len() == count {
            true => values.into_iter().map(bytes).collect(),
            false => Err(unfit()),
        });
        Some(values)
    }

    /// None if it is to be asked by way of the lanes, which also find out what is wrong.
    fn ask(&mut self, pack: impl FnOnce(&mut Vec<u8>), now: Instant) -> Option<RedisResult<Value>> {
        let health = &self.threads.health;
        let mut held = self.held.take()?;
        if held.as_of != health.as_of() {
            return None;
        }
        held.command.clear();
        pack(&mut held.command);
        match Said::by(held.connection.ask(&held.command, now), health) {
            Said::Answer(answer) => {
                self.held = Some(held);
                Some(answer)
            }
            Said::Late(error) => Some(Err(error)),
            Said::Nothing => None,
        }
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut queue = self.threads.queue();
        // One may have been made in the place of one that broke.
        let held = self.held.take().or_else(|| queue.held.take());
        if queue.waiting.is_empty() {
            queue.is_led = false;
            self.threads.keep(&mut queue, held);
            return;
        }
        let held = held.filter(|_| !queue.closed);
        let next = queue.waiting.remove(0);
        let connected = &self.threads.connected;
        connected.store(held.is_some(), Ordering::Release);
        drop(queue);
        next.slot.tell(Word::Lead(held));
    }
}

/// Those whose keys go along. Dropped without an answer, they ask elsewhere.
struct Batch(Vec<Waiting>);

impl Batch {
    fn answer(mut self, answers: impl Iterator<Item = Result<Option<Vec<u8>>, Error>>) {
        for (waiting, answer) in std::mem::take(&mut self.0).into_iter().zip(answers) {
            waiting.slot.tell(Word::Answer(answer));
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for waiting in &self.0 {
            waiting.slot.tell(Word::Elsewhere);
        }
    }
}
