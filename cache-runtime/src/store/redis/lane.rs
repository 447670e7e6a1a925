//! One shared connection with many commands in flight.
//!
//! A connection that broke or fell silent is dropped by whoever notices, and the next command
//! makes a new one. A command that met a connection which had broken while idle is sent once more
//! on a new one: each command sent here does no harm when it runs twice.

use std::fmt;
use std::time::Instant;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, ErrorKind as Kind, RedisError, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::connect::Connector;
use crate::error::{Error, ErrorKind};

pub(super) struct Lane {
    connector: Connector,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Numbered>,
    failed: Option<Failed>,
    made: u64,
    closed: bool,
}

/// A connection, and which one it is, so that nobody drops its successor.
#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

struct Failed {
    at: Instant,
    error: Error,
}

impl Lane {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            state: Mutex::default(),
        }
    }

    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Error> {
        let first = self.connection().await?;
        match self.send_on(first, command).await {
            Err(error) if broke(&error) => {}
            answer => return answer.map_err(told),
        }
        let second = self.connection().await?;
        self.send_on(second, command).await.map_err(told)
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.closed = true;
        state.live = None;
    }

    async fn send_on(&self, mut on: Numbered, command: &Cmd) -> Result<Value, RedisError> {
        let answer = on.connection.req_packed_command(command).await;
        let answer = answer.and_then(Value::extract_error);
        if answer.as_ref().is_err_and(ends_the_lane) {
            self.drop_connection(on.number).await;
        }
        answer
    }

    /// The shared connection. Whoever waits here while another connects shares the outcome: a
    /// server that is away is asked once for all of them.
    async fn connection(&self) -> Result<Numbered, Error> {
        let began = Instant::now();
        let mut state = self.state.lock().await;
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, "the cache was shut down"));
        }
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| failed.at >= began) {
            return Err(failed.error.clone());
        }
        match self.connector.connect().await {
            Ok(connection) => {
                state.made += 1;
                let number = state.made;
                let live = state.live.insert(Numbered { number, connection });
                Ok(live.clone())
            }
            Err(error) => {
                let error = told(error);
                state.failed = Some(Failed {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
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
fn told(error: RedisError) -> Error {
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
