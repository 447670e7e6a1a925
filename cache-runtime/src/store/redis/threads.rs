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
use std::time::Duration;

use redis::{Cmd, Connection, RedisError, RedisResult, Value};

use super::batch::MOST_KEYS;
use super::connect::Connector;
use super::failure::{Class, class, told, unfit};
use super::health::{AsOf, Health};
use super::reads::{bytes, get, list, string};
use crate::error::Error;
use crate::exec;
use crate::key::OnServer;

/// From one attempt to connect to the next.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Threads {
    connector: Arc<Connector>,
    health: Arc<Health>,
    queue: Mutex<Queue>,
    /// Of whoever leads.
    connection: Mutex<Option<Held>>,
    /// Whether there is one, for all who come.
    connected: AtomicBool,
    connecting: AtomicBool,
}

struct Held {
    connection: Connection,
    as_of: AsOf,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_led: bool,
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
    Lead,
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

    fn word(&self) -> MutexGuard<'_, Option<Word>> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Threads {
    pub(super) fn new(connector: Arc<Connector>, health: Arc<Health>) -> Arc<Self> {
        Arc::new(Self {
            connector,
            health,
            queue: Mutex::default(),
            connection: Mutex::default(),
            connected: AtomicBool::new(false),
            connecting: AtomicBool::new(false),
        })
    }

    /// What stands under a key, by blocking this thread; none if it is to be asked by way of the
    /// lanes.
    pub(super) fn get(
        self: &Arc<Self>,
        name: OnServer<'_>,
    ) -> Option<Result<Option<Vec<u8>>, Error>> {
        if !self.connected.load(Ordering::Acquire) {
            self.connect_behind();
            return None;
        }
        match self.take_turn(name).map(|slot| slot.wait()) {
            Some(Word::Answer(answer)) => Some(answer),
            Some(Word::Elsewhere) => None,
            Some(Word::Lead) | None => self.lead(name),
        }
    }

    pub(super) fn close(&self) {
        self.let_go(&mut self.connection());
    }

    /// Where to wait, unless nobody leads: then this thread does.
    fn take_turn(&self, name: OnServer<'_>) -> Option<Arc<Slot>> {
        let mut queue = self.queue();
        if !queue.is_led {
            queue.is_led = true;
            return None;
        }
        let slot = Arc::new(Slot {
            word: Mutex::default(),
            thread: std::thread::current(),
        });
        queue.waiting.push(Waiting {
            name: name.to_string(),
            slot: slot.clone(),
        });
        Some(slot)
    }

    fn lead(&self, name: OnServer<'_>) -> Option<Result<Option<Vec<u8>>, Error>> {
        let leading = Leading(self);
        let batch = Batch({
            let mut queue = self.queue();
            let count = queue.waiting.len().min(MOST_KEYS - 1);
            queue.waiting.drain(..count).collect()
        });
        if batch.0.is_empty() {
            return Some(string(self.ask(&get(name))?));
        }
        let asked = self.ask_for(name, &batch.0);
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
                answers.pop().map(Ok)
            }
        }
    }

    fn ask_for(&self, name: OnServer<'_>, others: &[Waiting]) -> Option<Asked> {
        let mut mget = Cmd::new();
        mget.arg("MGET").arg(name);
        for waiting in others {
            mget.arg(&waiting.name);
        }
        let count = 1 + others.len();
        let values = self.ask(&mget)?.map_err(told).and_then(list);
        let values = values.and_then(|values| match values.len() == count {
            true => values.into_iter().map(bytes).collect(),
            false => Err(unfit()),
        });
        Some(values)
    }

    /// None if it is to be asked by way of the lanes, which also find out what is wrong.
    fn ask(&self, command: &Cmd) -> Option<RedisResult<Value>> {
        let mut held = self.connection();
        let live = held.as_mut()?;
        if live.as_of != self.health.as_of() {
            self.let_go(&mut held);
            return None;
        }
        let answer = command.query::<Value>(&mut live.connection);
        match answer.as_ref().map_err(class) {
            Ok(_) | Err(Class::ThisCommand) => self.health.answered(),
            // An answer that is late would be taken for that of the next command. Whether the server
            // or this process kept it waiting is found out by the lanes.
            Err(Class::Late) => {
                self.let_go(&mut held);
                self.health.suspect();
            }
            Err(_) => {
                self.let_go(&mut held);
                return None;
            }
        }
        Some(answer)
    }

    fn let_go(&self, held: &mut Option<Held>) {
        self.connected.store(false, Ordering::Release);
        *held = None;
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
                *self.connection() = Some(Held { connection, as_of });
                self.connected.store(true, Ordering::Release);
            }
            Err(error) => trace(&error),
        }
        Some(Arc::downgrade(self))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> MutexGuard<'_, Option<Held>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes see the same server and say what is the matter with it.
fn trace(error: &RedisError) {
    tracing::debug!(code = error.code(), "a connection for threads was not made");
}

/// Hands the lead on, whatever happened.
struct Leading<'a>(&'a Threads);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let next = {
            let mut queue = self.0.queue();
            let next = (!queue.waiting.is_empty()).then(|| queue.waiting.remove(0));
            queue.is_led = next.is_some();
            next
        };
        if let Some(next) = next {
            next.slot.tell(Word::Lead);
        }
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
