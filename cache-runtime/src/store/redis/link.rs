//! The connection of one lane, and its successor: found suspect, proven, replaced, all behind the
//! callers.
//!
//! A connection that broke is dropped by whoever notices. One that stayed silent past a caller's
//! deadline is suspect: a socket that a firewall swallows never says so. From then on nobody uses it
//! until, in the background, either it answers a PING or a new connection does, whichever is first;
//! and so it is with all connections to that server, since a firewall forgets them together. So a
//! swallowed socket costs one deadline, and a connection whose driver was starved by its own
//! process is not mistaken for a dead server.
//!
//! A caller waits for a connection only where the server is not in doubt: for the first one, and for
//! that in the place of one that broke, which on a living server is there after a few round trips.
//!
//! Before a new connection is used, what is owed is made up for on it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use redis::{RedisError, cmd};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::connect::{Connection, Connector};
use super::debts::Debts;
use super::failure::{Class, class, ended, late, told};
use super::health::{AsOf, Health, prove};
use super::patience::{patiently, promptly};
use super::pulse::Pulse;
use super::tracking::Changes;
use crate::error::{Error, ErrorKind};

/// From one attempt to the next, at first.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// So often a connection is asked for a sign of life.
const ASKED_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Link {
    connector: Arc<Connector>,
    health: Arc<Health>,
    debts: Debts,
    /// Told of by the server, on a lane that is tracked.
    changes: Option<Arc<Changes>>,
    /// Read by every call, so it is held for no longer than a copy takes.
    state: Mutex<State>,
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    /// The search for a connection in the place of this one, which is suspect, or of none.
    trial: Option<Trial>,
    made: u64,
}

struct Trial {
    /// What the latest attempt came to; none while one is under way.
    outcome: watch::Receiver<Outcome>,
    /// Ends the pause before the next attempt.
    hurry: Arc<Notify>,
    /// Commands that met their deadline on the suspect.
    late: u64,
}

type Outcome = Option<Result<(), Error>>;

/// A connection, and which one it is, so that nobody drops its successor.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) number: u64,
    pub(super) connection: Connection,
    pub(super) pulse: Arc<Pulse>,
    as_of: AsOf,
}

impl Link {
    /// On a lane that is tracked, with those who hear of `changes`.
    pub(super) fn new(
        connector: Arc<Connector>,
        health: Arc<Health>,
        debts: Debts,
        changes: Option<Arc<Changes>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            health,
            debts,
            changes,
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
        if let Some(changes) = &self.changes {
            changes.lose_track();
        }
    }

    /// The connection, if there is one that may be used or that is worth waiting for.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Live, Error> {
        let (attempt, limit) = {
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
            let is_suspect = state.live.is_some();
            let limit = match state.made {
                0 => self.connector.connect_limit() + self.connector.response_timeout(),
                _ => self.connector.response_timeout(),
            };
            let trial = self.try_another(&mut state);
            if is_suspect || self.health.is_in_doubt() {
                return Err(out_of_reach());
            }
            (trial.next_attempt(), limit)
        };
        match timeout(limit, attempt).await {
            Err(_) => Err(late()),
            // Its runtime ends.
            Ok(None) => Err(ended()),
            Ok(Some(Err(error))) => Err(error),
            Ok(Some(Ok(()))) => self.state().live.clone().ok_or_else(out_of_reach),
        }
    }

    /// This connection is gone, or leads to the wrong server.
    pub(super) fn lost(self: &Arc<Self>, number: u64) {
        let mut state = self.state();
        if state.is_at(number) {
            tracing::debug!("a connection to redis was lost");
            state.live = None;
            self.try_another(&mut state);
            drop(state);
            self.lose_track();
        }
    }

    /// This connection answered nothing since a command was sent that waited in vain.
    pub(super) fn suspect(self: &Arc<Self>, number: u64) {
        let mut state = self.state();
        if state.is_at(number) {
            if state.trial.is_none() {
                self.health.suspect();
            }
            self.try_another(&mut state).late += 1;
            drop(state);
            self.lose_track();
        }
    }

    /// Makes up for what is owed, now.
    pub(super) async fn settle(self: &Arc<Self>) -> Result<(), Error> {
        let mut live = self.connection().await?;
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
        if live.as_of.suspicions != now.suspicions
            || live.pulse.is_silent_for(self.connector.response_timeout())
        {
            let is_known = state.trial.is_some();
            self.try_another(state);
            return !is_known;
        }
        false
    }

    /// The search for another connection, which begins now unless it is under way.
    fn try_another<'a>(self: &Arc<Self>, state: &'a mut State) -> &'a mut Trial {
        state.trial.get_or_insert_with(|| {
            let (tell, outcome) = watch::channel(None);
            let hurry = Arc::<Notify>::default();
            // In a task of its own: callers who leave early must not keep it from ever ending.
            tokio::spawn(try_until_found(Arc::downgrade(self), tell, hurry.clone()));
            Trial {
                outcome,
                hurry,
                late: 0,
            }
        })
    }

    /// One attempt: whether a connection was found.
    async fn attempt(self: &Arc<Self>) -> Result<(), Error> {
        let as_of = self.health.as_of();
        let suspect = self.state().live.clone();
        let finding = async {
            match suspect {
                None => self.connect().await.map(Some),
                Some(suspect) => self.replace(suspect).await,
            }
        };
        let limit = self.connector.response_timeout() / 2;
        let (found, prompt) = promptly(limit, finding).await;
        let late = {
            let mut state = self.state();
            let trial = state.trial.as_mut();
            trial.map_or(0, |trial| std::mem::take(&mut trial.late))
        };
        if late > 0 && (found.is_err() || !prompt) {
            // So it was the server, and not our own driver, that kept them waiting.
            self.health.late(late);
        }
        match found? {
            Some(connection) => self.take(connection, as_of),
            None => {
                if let Some(live) = &mut self.state().live {
                    live.as_of = as_of;
                }
            }
        }
        Ok(())
    }

    fn take(self: &Arc<Self>, connection: Connection, as_of: AsOf) {
        let mut state = self.state();
        if self.is_closed() {
            return;
        }
        state.made += 1;
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

    /// A new connection if it answers before the suspect does.
    async fn replace(&self, mut suspect: Live) -> Result<Option<Connection>, Error> {
        let mut proving = pin!(self.prove(&mut suspect.connection));
        let mut connecting = pin!(self.connect());
        let (mut proven, mut connected) = (None, None);
        poll_fn(|context| {
            if proven.is_none()
                && let Poll::Ready(outcome) = proving.as_mut().poll(context)
            {
                proven = Some(outcome);
            }
            if let Some(Ok(())) = proven {
                return Poll::Ready(Ok(None));
            }
            if connected.is_none()
                && let Poll::Ready(outcome) = connecting.as_mut().poll(context)
            {
                connected = Some(outcome);
            }
            match (&proven, connected.take()) {
                (_, Some(Ok(connection))) => Poll::Ready(Ok(Some(connection))),
                (Some(_), Some(Err(error))) => Poll::Ready(Err(error)),
                (_, failed) => {
                    connected = failed;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// A new connection to a server that answers in time, with nothing owed any more.
    async fn connect(&self) -> Result<Connection, Error> {
        let connecting = async {
            match &self.changes {
                None => self.connector.connect().await,
                Some(changes) => changes.connect(&self.connector).await,
            }
        };
        let connecting = patiently(self.connector.connect_limit(), connecting);
        let mut connection = connecting.await.ok_or_else(late)?.map_err(|error| {
            self.health.look_at(&error);
            told(error)
        })?;
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

impl Trial {
    /// What the attempt under way comes to, or the next one, which then begins at once.
    fn next_attempt(&self) -> impl Future<Output = Outcome> + Send + use<> {
        let mut outcome = self.outcome.clone();
        let pauses = outcome.borrow_and_update().is_some();
        if pauses {
            self.hurry.notify_one();
        }
        async move {
            if pauses {
                outcome.changed().await.ok()?;
            }
            let told = outcome.wait_for(Option::is_some).await;
            told.map_or(None, |outcome| outcome.clone())
        }
    }
}

impl State {
    fn is_at(&self, number: u64) -> bool {
        self.live.as_ref().is_some_and(|live| live.number == number)
    }
}

/// Attempts until one succeeds, or the server counts as away: then it is probed for all lanes, and
/// who comes when it is back begins anew.
async fn try_until_found(link: Weak<Link>, tell: watch::Sender<Outcome>, hurry: Arc<Notify>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Some(link) = link.upgrade() else {
            return;
        };
        tell.send_replace(None);
        let outcome = link.attempt().await;
        if let Err(error) = &outcome {
            link.health.dead(error);
        }
        if outcome.is_ok() || link.is_closed() || link.health.is_away() {
            let failed = outcome.is_err();
            {
                let mut state = link.state();
                state.trial = None;
                if failed {
                    state.live = None;
                }
                tell.send_replace(Some(outcome));
            }
            if failed {
                link.lose_track();
            }
            return;
        }
        tell.send_replace(Some(outcome));
        drop(link);
        let pausing = hurry.notified();
        // Over, or ended by one who knows that the server is back.
        let _ = timeout(pause.mul_f64(0.5 + fastrand::f64()), pausing).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
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
        let proven = link.prove(&mut live.connection).await;
        if proven.is_err() && live.pulse.answers() == answers {
            link.suspect(number);
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the cache was shut down")
}

fn out_of_reach() -> Error {
    Error::new(ErrorKind::Unavailable, "redis cannot be reached")
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
