//! A store in memory whose commands fail as told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::{Found, Invalidated, Leased, Waited};
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::key::Key;
use crate::metrics::OfServer;
use crate::owed::Owed;
use crate::testing::{Fault, Faults};

#[derive(Debug)]
pub(crate) struct Failing {
    /// Whether there is anything to draw.
    on: AtomicBool,
    faults: Mutex<(Faults, fastrand::Rng)>,
    /// How long a command is waited for.
    deadline: Duration,
    owed: Arc<Owed>,
    meter: OfServer,
}

impl Failing {
    pub(super) fn new(config: &Config, owed: &Arc<Owed>) -> Self {
        Self {
            on: AtomicBool::new(false),
            faults: Mutex::default(),
            deadline: config.connect_timeout + config.response_timeout,
            owed: owed.clone(),
            meter: OfServer::new(&config.prefix),
        }
    }

    pub(super) fn set(&self, faults: Faults, memory: &Memory) {
        let none = faults.are_none();
        let random = faults.random();
        *self.faults() = (faults, random);
        self.on.store(!none, Ordering::Release);
        if none {
            self.settle(memory);
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Whether no command ever waits.
    pub(super) fn answers_at_once(&self) -> bool {
        !self.is_on() || self.faults().0.answer_at_once()
    }

    /// Does one command's work, if it comes to it.
    pub(super) async fn around<T: Answer>(
        &self,
        verb: &str,
        memory: &Memory,
        work: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let answer = self.answer(verb, memory, work).await;
        answer.inspect_err(|error| self.meter.failed(error))
    }

    async fn answer<T: Answer>(
        &self,
        verb: &str,
        memory: &Memory,
        work: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let (fault, delay) = {
            let (faults, random) = &mut *self.faults();
            faults.draw(verb, random)
        };
        if !delay.is_zero() {
            exec::sleep(delay.min(self.deadline)).await;
        }
        match fault {
            Fault::Error => return Err(away()),
            Fault::Hang => {
                exec::sleep(self.deadline.saturating_sub(delay)).await;
                return Err(late());
            }
            Fault::None | Fault::LostReply | Fault::Corrupt => self.settle(memory),
        }
        let answer = work().asked_for(began);
        match fault {
            Fault::LostReply => Err(away()),
            _ if delay > self.deadline => Err(late()),
            Fault::Corrupt => Ok(answer.corrupted()),
            _ => Ok(answer),
        }
    }

    /// An invalidation that failed is owed, as that of a server is.
    pub(super) fn owing(
        &self,
        key: &Key,
        removed: Result<Invalidated, Error>,
    ) -> Result<Invalidated, Error> {
        if removed.is_err() && self.owed.add(key) {
            return Ok(Invalidated::Queued);
        }
        removed
    }

    fn faults(&self) -> MutexGuard<'_, (Faults, fastrand::Rng)> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, memory: &Memory) {
        if self.owed.is_empty() {
            return;
        }
        let debt = self.owed.debt();
        for key in debt.keys() {
            memory.remove(key);
        }
        self.owed.settle(&debt);
    }
}

fn away() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "redis cannot be reached: a fault that the test asked for",
    )
}

fn late() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "redis did not answer in time: a fault that the test asked for",
    )
}

/// What a command answers with.
pub(super) trait Answer: Sized {
    /// The same with bytes that are no JSON, if it has any.
    fn corrupted(self) -> Self {
        self
    }

    /// The same, which was waited for since then, if it says so.
    fn asked_for(self, _since: Instant) -> Self {
        self
    }
}

impl Answer for () {}
impl Answer for bool {}
impl Answer for Invalidated {}

impl Answer for Vec<u8> {
    fn corrupted(mut self) -> Self {
        const NEVER_IN_JSON: u8 = 0xff;
        self.insert(0, NEVER_IN_JSON);
        self
    }
}

impl<T: Answer> Answer for Option<T> {
    fn corrupted(self) -> Self {
        self.map(T::corrupted)
    }
}

impl Answer for Vec<Option<Vec<u8>>> {
    fn corrupted(self) -> Self {
        self.into_iter().map(Answer::corrupted).collect()
    }
}

impl Answer for Found {
    fn corrupted(self) -> Self {
        Self {
            json: self.json.corrupted(),
            ..self
        }
    }

    fn asked_for(self, since: Instant) -> Self {
        Self {
            waited: Waited::Since(since),
            ..self
        }
    }
}

impl Answer for Leased {
    fn corrupted(self) -> Self {
        match self {
            Self::Value(json) => Self::Value(json.corrupted()),
            other => other,
        }
    }
}
