//! The connection of one lane: found suspect, and replaced by a [`trial`] behind the callers.
//!
//! A connection that broke is dropped by whoever notices. One that stayed silent past a caller's
//! deadline is suspect: a socket that a firewall swallows never says so. From then on nobody uses it
//! until, in the background, either it answers a PING or a new connection does, whichever is first;
//! and so it is with all connections to that server, since a firewall forgets them together. So a
//! swallowed socket costs one deadline, and a connection whose driver was starved by its own
//! process is not mistaken for a dead server.
//!
//! A caller waits for a connection only where the server is not in doubt: for the first one, and for
//! that in the place of one that broke, which on a living server is there after a few round trips. And
//! nobody waits once an attempt was late: where only new connections are dropped on their way, all others
//! are well and the server is in no doubt.
//!
//! A command is waited for to its end by a task of ours, also when its caller leaves.
//!
//! Before a new connection is used, what is owed is made up for on it, as far as the server takes it.

mod trial;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::{RedisError, cmd};
use tokio::time::{Instant, timeout};

use self::trial::Trial;
use super::connect::{Connection, Connector};
use super::deadline::Deadline;
use super::debts::Debts;
use super::failure::{Class, class, ended, late, told};
use super::health::{AsOf, Health, prove};
use super::patience::patiently;
use super::pulse::Pulse;
use super::tracking::Changes;
use crate::error::{Error, ErrorKind};
use crate::exec;

/// So often a connection is asked for a sign of life.
const ASKED_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Link {
    connector: Arc<Connector>,
    health: Arc<Health>,
    debts: Debts,
    carries: Carries,
    /// Read by every call, so it is held for no longer than a copy takes.
    state: Mutex<State>,
    closed: AtomicBool,
}

/// What a connection is for.
pub(super) enum Carries {
    /// What is answered at once by a server that is well.
    Small,
    /// Values that take their time: that one is late says nothing of the server, and whoever asks on
    /// another connection need not hear of it. A server that is away is found out by the attempts to
    /// reach it.
    Large,
    /// What the server tells of changes, too.
    Pushes(Arc<Changes>),
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    /// The search for a connection in the place of this one, which is suspect, or of none.
    trial: Option<Trial>,
    /// A search ended without an outcome, by a panic.
    broke_off: bool,
    made: u64,
    first_made: Option<Instant>,
}

/// A connection, and which one it is, so that nobody drops its successor.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) number: u64,
    pub(super) connection: Connection,
    pub(super) pulse: Arc<Pulse>,
    as_of: AsOf,
}

impl Link {
    pub(super) fn new(
        connector: Arc<Connector>,
        health: Arc<Health>,
        debts: Debts,
        carries: Carries,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            health,
            debts,
            carries,
            state: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.connector.is_cluster()
    }

    /// When the first connection was made.
    pub(super) fn first_connected(&self) -> Option<Instant> {
        self.state().first_made
    }

    /// Whether a search for a connection panicked, as it does where the runtime cannot hold one.
    pub(super) fn broke_off(&self) -> bool {
        self.state().broke_off
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.state().live = None;
        self.lose_track();
    }

    /// The connection is not known to be live any more: a read that begins now goes out on the next,
    /// and what this one had to tell of earlier ones may be lost. Called without the lock, since it
    /// drops what is the user's.
    fn lose_track(&self) {
        if let Carries::Pushes(changes) = &self.carries {
            changes.lose_track();
        }
    }

    /// The connection, if there is one that may be used or that is worth waiting for. Waiting for the
    /// first has a deadline of its own.
    pub(super) async fn connection(
        self: &Arc<Self>,
        deadline: &mut Deadline,
    ) -> Result<Live, Error> {
        let (attempt, is_first) = {
            let mut state = self.state();
            if self.let_go_of_an_unfit_one(&mut state) {
                drop(state);
                self.lose_track();
                state = self.state();
            }
            if let (Some(live), None) = (&state.live, &state.trial) {
                return Ok(live.clone());
            }
            if self.is_closed() {
                return Err(closed());
            }
            self.health.check()?;
            let has_live = state.live.is_some();
            let is_first = state.made == 0;
            let trial = self.try_another(&mut state);
            if has_live || self.health.is_in_doubt() {
                return Err(out_of_reach());
            }
            (trial.next_attempt().ok_or_else(out_of_reach)?, is_first)
        };
        let response_timeout = self.connector.response_timeout();
        let limit = match is_first {
            // As long as for one server, also where a cluster of many takes longer to look through.
            true => self.connector.connect_timeout() + response_timeout,
            false => deadline.left(),
        };
        let connected = timeout(limit, attempt).await;
        match is_first {
            true => *deadline = Deadline::new(response_timeout),
            false => deadline.spend(),
        }
        match connected {
            Err(_) => Err(late()),
            // Its runtime ends, or it panicked.
            Ok(None) => Err(ended()),
            Ok(Some(Err(error))) => Err(error),
            Ok(Some(Ok(()))) => self.state().live.clone().ok_or_else(out_of_reach),
        }
    }

    /// Lets the connection go: the next one is made for who sends next.
    pub(super) fn drop_connection(&self) {
        self.state().live = None;
        self.lose_track();
    }

    /// This connection is gone, or leads to the wrong server.
    pub(super) fn lost(self: &Arc<Self>, number: u64) {
        let mut state = self.state();
        if state.is_at(number) {
            state.live = None;
            self.try_another(&mut state);
            drop(state);
            exec::aside(|| tracing::debug!("a connection to redis was lost"));
            self.lose_track();
        }
    }

    /// This connection answered nothing since a command was sent that waited in vain.
    pub(super) fn suspect(self: &Arc<Self>, number: u64) {
        let mut state = self.state();
        if state.is_at(number) {
            // Nobody else was answered on it, which in a cluster may be since nobody asked another node.
            if state.trial.is_none() && self.tells_of_the_server() && !self.is_cluster() {
                self.health.suspect();
            }
            let trial = self.try_another(&mut state);
            trial.late += 1;
            drop(state);
            self.lose_track();
        }
    }

    /// So many commands were not answered in time, though the connection is well.
    pub(super) fn late(&self, commands: u64) {
        if self.tells_of_the_server() {
            self.health.late(commands);
        }
    }

    fn tells_of_the_server(&self) -> bool {
        !matches!(self.carries, Carries::Large)
    }

    /// Makes up for what is owed, now.
    pub(super) async fn settle(self: &Arc<Self>) -> Result<(), Error> {
        let mut deadline = Deadline::new(self.connector.response_timeout());
        let mut live = self.connection(&mut deadline).await?;
        let settled = self.debts.make_up(&mut live.connection).await;
        if let Err(error) = &settled {
            self.look_at(live.number, error);
        }
        settled.map_err(told)
    }

    /// What an error means for this connection, and for others.
    pub(super) fn look_at(self: &Arc<Self>, number: u64, error: &RedisError) {
        self.health.look_at(error);
        match class(error) {
            Class::Late => self.suspect(number),
            class if class.ends_the_lane() => self.lost(number),
            _ => {}
        }
    }

    /// Whether there was one, until now.
    fn let_go_of_an_unfit_one(self: &Arc<Self>, state: &mut State) -> bool {
        let Some(live) = &state.live else {
            return false;
        };
        let now = self.health.as_of();
        if live.as_of.demotions != now.demotions {
            state.live = None;
            return true;
        }
        if live.as_of.suspicions == now.suspicions {
            return false;
        }
        let is_new = state.trial.is_none();
        self.try_another(state);
        is_new
    }

    fn take(self: &Arc<Self>, connection: Connection, as_of: AsOf) {
        let mut state = self.state();
        if self.is_closed() {
            return;
        }
        state.made += 1;
        state.first_made.get_or_insert_with(Instant::now);
        let number = state.made;
        state.live = Some(Live {
            number,
            connection,
            pulse: Arc::default(),
            as_of,
        });
        tokio::spawn(keep_asking(Arc::downgrade(self), number));
        drop(state);
        self.lose_track();
    }

    /// A new connection to a server that answers in time, and was asked to take what is owed.
    async fn connect(&self) -> Result<Connection, Error> {
        let connecting = async {
            match &self.carries {
                Carries::Pushes(changes) => changes.connect(&self.connector).await,
                Carries::Small | Carries::Large => self.connector.connect().await,
            }
        };
        let connecting = patiently(self.connector.connect_limit(), connecting);
        let connected = connecting.await.ok_or_else(late)?;
        let mut connection = connected.map_err(|error| self.health.look_at_connecting(&error))?;
        self.prove(&mut connection).await?;
        self.debts.make_up(&mut connection).await.map_err(told)?;
        Ok(connection)
    }

    async fn prove(&self, connection: &mut Connection) -> Result<(), Error> {
        let limit = self.connector.response_timeout();
        let proven = prove(connection, &cmd("PING"), limit).await;
        match &proven {
            Ok(()) => self.health.answered(),
            Err(failed) => {
                if let Some(error) = failed.error() {
                    self.health.look_at(error);
                }
            }
        }
        proven.map_err(|failed| failed.told())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_at(&self, number: u64) -> bool {
        self.live.as_ref().is_some_and(|live| live.number == number)
    }
}

/// Asks a connection for a sign of life now and then, so that one that broke while it was idle is
/// replaced before somebody needs it.
async fn keep_asking(link: Weak<Link>, number: u64) {
    loop {
        tokio::time::sleep(ASKED_EVERY.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        let Some(link) = link.upgrade() else {
            return;
        };
        let live = link.state().live.clone();
        let Some(mut live) = live.filter(|live| live.number == number) else {
            return;
        };
        let answers = live.pulse.answers();
        match link.prove(&mut live.connection).await {
            Ok(()) => live.pulse.answered(),
            Err(_) if live.pulse.answers() == answers => link.suspect(number),
            Err(_) => {}
        }
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the cache was shut down")
}

pub(super) fn out_of_reach() -> Error {
    Error::new(ErrorKind::Unavailable, "redis cannot be reached")
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
