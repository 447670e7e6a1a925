//! One shared connection with many commands in flight.
//!
//! A connection that broke or fell silent is dropped by whoever notices, and the next command
//! makes a new one. Before it is used, what is owed is made up for on it.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::Mutex;
use tokio::task::JoinError;

use super::connect::{Connection, Connector};
use super::failure::{broke, ended, ends_the_lane, is_passing, told};
use crate::error::{Error, ErrorKind};
use crate::owed::Owed;

/// Whether commands that met a connection which had broken while idle are sent once more on a new
/// one. Commands that carry a fresh token never are: a first copy that arrives late would be taken
/// for the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

pub(super) struct Lane {
    connector: Arc<Connector>,
    prefix: String,
    owed: Arc<Owed>,
    /// Read by every call, so it is held for no longer than a copy takes.
    live: SyncMutex<Option<Numbered>>,
    connecting: Mutex<Connecting>,
    closed: AtomicBool,
}

/// Held while connecting, so that whoever waits for it shares the outcome.
#[derive(Default)]
struct Connecting {
    failed: Option<Failed>,
    made: u64,
}

/// A connection, and which one it is, so that nobody drops its successor.
#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: Connection,
    pulse: Arc<Pulse>,
}

/// Since when a caller left without an answer, and no answer to anybody came after it. A silent
/// connection is otherwise found out by the first who waits long enough.
#[derive(Default)]
struct Pulse(SyncMutex<Option<Instant>>);

impl Pulse {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_silent_for(&self, limit: Duration) -> bool {
        self.since().is_some_and(|since| since.elapsed() > limit)
    }
}

/// Dropped without an answer, it says so.
struct Unanswered<'a>(&'a Pulse);

impl Unanswered<'_> {
    fn answered(self, well: bool) {
        if well {
            *self.0.since() = None;
        }
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.since().get_or_insert_with(Instant::now);
    }
}

struct Failed {
    at: Instant,
    error: Error,
}

impl Lane {
    pub(super) fn new(connector: Arc<Connector>, prefix: &str, owed: &Arc<Owed>) -> Self {
        Self {
            connector,
            prefix: prefix.to_owned(),
            owed: owed.clone(),
            live: SyncMutex::default(),
            connecting: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Sends commands together; one answer each.
    pub(super) async fn send(
        self: &Arc<Self>,
        commands: &Pipeline,
        again: Again,
    ) -> Result<Vec<RedisResult<Value>>, Error> {
        match self.send_once(commands).await? {
            Err(error) if again == Again::Yes && broke(&error) => {}
            answers => return answers.map_err(told),
        }
        self.send_once(commands).await?.map_err(told)
    }

    async fn send_once(
        self: &Arc<Self>,
        commands: &Pipeline,
    ) -> Result<RedisResult<Vec<RedisResult<Value>>>, Error> {
        let mut on = self.connection().await?;
        let unanswered = Unanswered(&on.pulse);
        let answers = on.connection.send(commands).await;
        unanswered.answered(answers.is_ok());
        match &answers {
            Err(error) => self.look_at(on.number, error),
            Ok(answers) => {
                for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                    self.look_at(on.number, error);
                }
            }
        }
        Ok(answers)
    }

    /// Sends one command that does no harm when it runs twice.
    pub(super) async fn send_one(self: &Arc<Self>, command: &Cmd) -> Result<Value, Error> {
        match self.send_one_once(command).await? {
            Err(error) if broke(&error) => {}
            answer => return answer.map_err(told),
        }
        self.send_one_once(command).await?.map_err(told)
    }

    async fn send_one_once(self: &Arc<Self>, command: &Cmd) -> Result<RedisResult<Value>, Error> {
        let mut on = self.connection().await?;
        let unanswered = Unanswered(&on.pulse);
        let answer = on.connection.send_one(command).await;
        unanswered.answered(answer.is_ok());
        if let Err(error) = &answer {
            self.look_at(on.number, error);
        }
        Ok(answer)
    }

    /// Makes up for what is owed, now.
    pub(super) async fn settle(self: &Arc<Self>) -> Result<(), Error> {
        let mut live = self.connection().await?;
        let settled = self.make_up(&mut live.connection).await;
        if let Err(error) = &settled {
            self.look_at(live.number, error);
        }
        settled.map_err(told)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.live() = None;
    }

    /// The shared connection.
    async fn connection(self: &Arc<Self>) -> Result<Numbered, Error> {
        if let Some(live) = self.speaking() {
            return Ok(live);
        }
        // In a task of its own: callers who leave early must not keep it from ever being made.
        let began = Instant::now();
        let connecting = tokio::spawn(self.clone().connect_for_all(began));
        match connecting.await.map_err(JoinError::try_into_panic) {
            Ok(connected) => connected,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(_)) => Err(ended()),
        }
    }

    /// The connection, if there is one and it did not fall silent.
    fn speaking(&self) -> Option<Numbered> {
        let mut live = self.live();
        let silent = |live: &Numbered| live.pulse.is_silent_for(self.connector.response_timeout());
        if live.as_ref().is_some_and(silent) {
            *live = None;
        }
        live.clone()
    }

    /// Whoever waits here while another connects shares the outcome: a server that is away is asked
    /// once for all of them.
    async fn connect_for_all(self: Arc<Self>, began: Instant) -> Result<Numbered, Error> {
        let mut connecting = self.connecting.lock().await;
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the cache was shut down"));
        }
        if let Some(live) = self.speaking() {
            return Ok(live);
        }
        let failed = connecting.failed.as_ref();
        if let Some(failed) = failed.filter(|failed| failed.at >= began) {
            return Err(failed.error.clone());
        }
        match self.connect().await {
            Ok(connection) => {
                connecting.made += 1;
                let live = Numbered {
                    number: connecting.made,
                    connection,
                    pulse: Arc::default(),
                };
                *self.live() = Some(live.clone());
                Ok(live)
            }
            Err(error) => {
                connecting.failed = Some(Failed {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let mut connection = self.connector.connect().await.map_err(told)?;
        self.make_up(&mut connection).await.map_err(told)?;
        Ok(connection)
    }

    async fn make_up(&self, connection: &mut Connection) -> RedisResult<()> {
        const AT_ONCE: usize = 500;
        // In a cluster each may be on another node.
        let at_once = if self.connector.is_cluster() {
            1
        } else {
            AT_ONCE
        };
        for debt in self.owed.debt().in_parts(at_once) {
            let mut commands = Pipeline::with_capacity(2 * at_once);
            for key in debt.keys() {
                let refresh = key.refresh_on_server(&self.prefix);
                commands.cmd("UNLINK").arg(refresh);
                commands.cmd("UNLINK").arg(key.on_server(&self.prefix));
            }
            for answer in connection.send(&commands).await? {
                give_up_what_is_refused(answer)?;
            }
            self.owed.settle(&debt);
        }
        Ok(())
    }

    /// Drops the connection if it is of no more use.
    fn look_at(&self, number: u64, error: &RedisError) {
        if !ends_the_lane(error) {
            return;
        }
        let mut live = self.live();
        if live.as_ref().is_some_and(|live| live.number == number) {
            *live = None;
        }
    }

    fn live(&self) -> MutexGuard<'_, Option<Numbered>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An invalidation that the server will never take must not keep the cache from everything else.
fn give_up_what_is_refused(answer: RedisResult<Value>) -> RedisResult<()> {
    match answer {
        Err(error) if ends_the_lane(&error) || is_passing(&error) => Err(error),
        Err(error) => {
            tracing::warn!(
                code = error.code(),
                "redis refuses an invalidation that was owed; it is given up"
            );
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}
