//! One shared connection with many commands in flight.
//!
//! A connection that broke or fell silent is dropped by whoever notices, and the next command
//! makes a new one. Before it is used, what is owed is made up for on it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use redis::{ErrorKind as Kind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::connect::{Connection, Connector};
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
    state: Mutex<State>,
    closed: AtomicBool,
    proven: AtomicBool,
    unsuitable: AtomicBool,
}

#[derive(Default)]
struct State {
    live: Option<Numbered>,
    failed: Option<Failed>,
    made: u64,
}

/// A connection, and which one it is, so that nobody drops its successor.
#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: Connection,
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
            state: Mutex::default(),
            closed: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            unsuitable: AtomicBool::new(false),
        }
    }

    /// Sends commands together; one answer each.
    pub(super) async fn send(
        &self,
        commands: &Pipeline,
        again: Again,
    ) -> Result<Vec<RedisResult<Value>>, Error> {
        let first = self.connection().await?;
        match self.send_on(first, commands).await {
            Err(error) if again == Again::Yes && broke(&error) => {}
            answers => return answers.map_err(told),
        }
        let second = self.connection().await?;
        self.send_on(second, commands).await.map_err(told)
    }

    /// Makes up for what is owed, now.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        let mut live = self.connection().await?;
        let settled = self.make_up(&mut live.connection).await;
        if settled.as_ref().is_err_and(ends_the_lane) {
            self.drop_connection(live.number).await;
        }
        settled.map_err(told)
    }

    /// Whether its runtime is known to hold a connection.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Whether its runtime is known to hold none.
    pub(super) fn is_unsuitable(&self) -> bool {
        self.unsuitable.load(Ordering::Relaxed)
    }

    pub(super) fn mark_unsuitable(&self) {
        self.unsuitable.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.state.lock().await.live = None;
    }

    async fn send_on(
        &self,
        mut on: Numbered,
        commands: &Pipeline,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let answers = on.connection.send(commands).await;
        let ends = match &answers {
            Err(error) => ends_the_lane(error),
            Ok(answers) => answers
                .iter()
                .filter_map(|of| of.as_ref().err())
                .any(ends_the_lane),
        };
        if ends {
            self.drop_connection(on.number).await;
        }
        answers
    }

    /// The shared connection. Whoever waits here while another connects shares the outcome: a
    /// server that is away is asked once for all of them.
    async fn connection(&self) -> Result<Numbered, Error> {
        let began = Instant::now();
        let mut state = self.state.lock().await;
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the cache was shut down"));
        }
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| failed.at >= began) {
            return Err(failed.error.clone());
        }
        match self.connect().await {
            Ok(connection) => {
                state.made += 1;
                let number = state.made;
                let live = state.live.insert(Numbered { number, connection });
                Ok(live.clone())
            }
            Err(error) => {
                state.failed = Some(Failed {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let mut connection = self.connector.connect().await.map_err(told)?;
        self.proven.store(true, Ordering::Relaxed);
        self.make_up(&mut connection).await.map_err(told)?;
        Ok(connection)
    }

    /// Key by key: in a cluster each may be on another node.
    async fn make_up(&self, connection: &mut Connection) -> RedisResult<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let debt = self.owed.debt();
        for key in debt.keys() {
            let mut commands = Pipeline::with_capacity(2);
            commands
                .cmd("UNLINK")
                .arg(key.refresh_on_server(&self.prefix));
            commands.cmd("UNLINK").arg(key.on_server(&self.prefix));
            for answer in connection.send(&commands).await? {
                answer?;
            }
        }
        self.owed.settle(&debt);
        Ok(())
    }

    async fn drop_connection(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state
            .live
            .as_ref()
            .is_some_and(|live| live.number == number)
        {
            state.live = None;
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}

/// The connection was gone, so that the server saw nothing or its answer is lost.
fn broke(error: &RedisError) -> bool {
    error.is_unrecoverable_error() && error.kind() == Kind::Io
}

/// Later commands on this connection would fare no better: it is gone, it is silent (a socket that
/// a firewall swallows stays so for ever), or it leads to a server that no longer is the master.
fn ends_the_lane(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.kind() == Kind::Server(ServerErrorKind::ReadOnly)
}

/// What redis-rs reports, without what it quotes: its errors of parsing and conversion hold the
/// bytes that they met, which may be a stored value.
pub(super) fn told(error: RedisError) -> Error {
    match error.kind() {
        Kind::Parse | Kind::UnexpectedReturnType => Error::new(
            ErrorKind::Unavailable,
            "what answers at the configured address does not speak Redis",
        ),
        _ if error.is_timeout() => {
            Error::new(ErrorKind::Timeout, "redis did not answer in time").because(error)
        }
        Kind::Io => Error::new(ErrorKind::Unavailable, "redis cannot be reached").because(error),
        _ => Error::new(ErrorKind::Refused, "redis refused the command").because(error),
    }
}
