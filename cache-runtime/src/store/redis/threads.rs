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

mod batch;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult, Value};
use tokio::sync::oneshot;

use self::batch::{Batch, Open, Others};
use super::connect::{Blocking, Connector};
use super::failure::{told, unfit};
use super::health::{AsOf, Health};
use super::reads::USUAL;
use super::replies::{bytes, list, string};
use super::resp::{self, pack_get, pack_mget};
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
    /// Who waits, in the order in which they are asked for: all batches but the last are full.
    waiting: VecDeque<Open>,
    /// Also while the first who waits is told so, and takes what is held.
    is_led: bool,
    held: Option<Box<Held>>,
    closed: bool,
}

struct Held {
    connection: Blocking,
    as_of: AsOf,
    /// The last command; its room is for the next one.
    command: Vec<u8>,
}

/// What a read of a thread came to.
pub(super) enum Read {
    Answer(Result<Found, Error>),
    /// The lanes are to be asked, for who has waited here since then, if he has.
    Elsewhere(Option<Instant>),
}

/// What stands under each of some keys.
type Asked = Result<Vec<Option<Vec<u8>>>, Error>;

/// What a thread that comes does.
enum Turn<'a> {
    /// It leads, and nobody waits.
    Alone(Leading<'a>),
    /// It waits, and leads then.
    First(Arc<Batch>),
    /// It waits for what is found at its place.
    Wait(Arc<Batch>, usize),
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

    /// What stands under a key, by blocking this thread.
    pub(super) fn get(self: &Arc<Self>, name: OnServer<'_>) -> Read {
        if !self.connected.load(Ordering::Acquire) {
            self.connect_behind();
            return Read::Elsewhere(None);
        }
        let turn = self.take_turn(name);
        let came = Instant::now();
        let found = match turn {
            Turn::Alone(leading) => leading.ask_alone(name, came),
            Turn::First(batch) => self.wait_to_lead(&batch, name, came),
            Turn::Wait(batch, place) => {
                let answer = batch.wait(place);
                answer.map(|answer| answer.map(|json| found(json, came)))
            }
        };
        found.map_or(Read::Elsewhere(Some(came)), Read::Answer)
    }

    /// Waits for the lead, and leads. Nobody of the batch waits if the lead does not come for so long: the
    /// connection has one command on its way at a time, and where that is slow, nobody waits first for it
    /// and then for his own.
    fn wait_to_lead(
        &self,
        batch: &Arc<Batch>,
        name: OnServer<'_>,
        came: Instant,
    ) -> Option<Result<Found, Error>> {
        if batch.leads_by(came + USUAL) || !self.give_up(batch) {
            return self.lead(name, came);
        }
        None
    }

    /// Whether the lead did not come yet.
    fn give_up(&self, batch: &Arc<Batch>) -> bool {
        let mut queue = self.queue();
        // It is handed on under this lock.
        if batch.leads() {
            return false;
        }
        queue
            .waiting
            .retain(|open| !Arc::ptr_eq(&open.batch, batch));
        drop(queue);
        drop(Others::of(batch.clone()));
        true
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
        if let Some(open) = queue.waiting.back_mut().filter(|open| !open.is_full()) {
            let place = open.join(name);
            return Turn::Wait(open.batch.clone(), place);
        }
        let open = Open::of(name);
        let batch = open.batch.clone();
        queue.waiting.push_back(open);
        Turn::First(batch)
    }

    /// By the first of those who waited longest.
    fn lead(&self, name: OnServer<'_>, came: Instant) -> Option<Result<Found, Error>> {
        let (mut leading, open) = {
            let mut queue = self.queue();
            let held = queue.held.take();
            let leading = Leading {
                threads: self,
                held,
            };
            (leading, queue.waiting.pop_front())
        };
        let open = open?;
        let now = Instant::now();
        if open.count == 1 {
            return leading.ask_alone(name, now);
        }
        let others = Others::of(open.batch);
        let asked = leading.ask_for(&open.names, open.count, now);
        // The next one is on its way while these answers are given out.
        drop(leading);
        let mut asked = asked?;
        let own = match &mut asked {
            Ok(answers) => Ok(found(answers.first_mut()?.take(), came)),
            Err(error) => Err(error.clone()),
        };
        others.answer(asked);
        Some(own)
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
            let (tell, told) = oneshot::channel();
            let of_thread = threads.clone();
            let connect = move || {
                let may_try_again = of_thread.upgrade().is_none_or(|threads| threads.connect());
                let _ = tell.send(may_try_again);
            };
            // An error if there is no thread to be had, or a library panicked on it.
            let connecting = match exec::thread("cache-connect", connect) {
                Ok(()) => told.await.unwrap_or(true),
                Err(_) => true,
            };
            if connecting {
                tokio::time::sleep(PAUSE).await;
                if let Some(threads) = threads.upgrade() {
                    threads.connecting.store(false, Ordering::Release);
                }
            }
        };
        if exec::spawn_on_io(connecting).is_err() {
            self.connecting.store(false, Ordering::Release);
        }
    }

    /// Connects. Whether it may be tried again afterwards: else threads read by way of the lanes from now on.
    fn connect(&self) -> bool {
        if self.queue().closed {
            return false;
        }
        let as_of = self.health.as_of();
        let Some(connected) = self.connector.connect_blocking() else {
            return false;
        };
        match connected {
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
        true
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
    let code = error.code().map(str::to_owned);
    exec::aside(move || tracing::debug!(code, "a connection for threads was not made"));
}

/// The lead. It is handed on, whatever happens to who has it.
struct Leading<'a> {
    threads: &'a Threads,
    /// None while it is in use: nobody may have it after half an answer.
    held: Option<Box<Held>>,
}

impl Leading<'_> {
    fn ask_alone(mut self, name: OnServer<'_>, now: Instant) -> Option<Result<Found, Error>> {
        match self.ask(|command| pack_get(name, command), resp::answer, now)? {
            // Nearly always. The rest is moved about more than once.
            Ok(Value::BulkString(json)) => Some(Ok(found(Some(json), now))),
            answer => Some(string(answer).map(|json| found(json, now))),
        }
    }

    /// `names` as they go over the wire, so many.
    fn ask_for(&mut self, names: &[u8], count: usize, now: Instant) -> Option<Asked> {
        let pack = |command: &mut Vec<u8>| pack_mget(names, count, command);
        let parse = |bytes: &[u8]| resp::answer_to_many(bytes, count);
        let values = self.ask(pack, parse, now)?.map_err(told).and_then(list);
        let values = values.and_then(|values| match values.len() == count {
            true => values.into_iter().map(bytes).collect(),
            false => Err(unfit()),
        });
        Some(values)
    }

    /// None if it is to be asked by way of the lanes, which also find out what is wrong.
    fn ask(
        &mut self,
        pack: impl FnOnce(&mut Vec<u8>),
        parse: impl Fn(&[u8]) -> Option<RedisResult<Value>>,
        now: Instant,
    ) -> Option<RedisResult<Value>> {
        let health = &self.threads.health;
        let mut held = self.held.take()?;
        if held.as_of != health.as_of() {
            return None;
        }
        held.command.clear();
        pack(&mut held.command);
        match Said::by(held.connection.ask(&held.command, parse, now), health) {
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
        self.threads.keep(&mut queue, held);
        let Some(next) = queue.waiting.front().map(|open| open.batch.clone()) else {
            queue.is_led = false;
            return;
        };
        next.let_lead();
        drop(queue);
        next.wake_first();
    }
}
