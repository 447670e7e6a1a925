//! What is known of the server, by all lanes together: whether it answers, and whether it takes
//! writes. Each change is logged and told once, and a server that is away is probed from here, so
//! that no caller does.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, RedisError, cmd};

use super::code::code;
use super::connect::{Connection, Connector};
use super::failure::{Class, class, is_of_one_node, late, told, told_of_connecting};
use super::patience::patiently;
use super::writes::Writes;
use crate::breaker::Breaker;
use crate::error::{Error, ErrorKind};
use crate::event::{EventKind, Listeners};
use crate::exec;
use crate::key::{Key, Prefix};
use crate::metrics::OfServer;
use crate::near::Near;

/// Between two probes at least, however long the first one took.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Health {
    connector: Arc<Connector>,
    /// A key of this cache's own: reading it is what reading any other is.
    probed: String,
    breaker: Breaker,
    /// Why nobody should ask.
    why: Mutex<Option<Error>>,
    writes: Writes,
    /// Told of once.
    a_node_refused: AtomicBool,
    /// How often the server was found to be no master.
    demotions: AtomicU64,
    /// How often a connection was found silent.
    suspicions: AtomicU64,
    /// The outage whose end nobody looks for any more.
    left_outage: AtomicU64,
    forbids_reads: AtomicBool,
    closed: AtomicBool,
    near: Arc<Near>,
    listeners: Arc<Listeners>,
    meter: OfServer,
}

impl Health {
    pub(super) fn new(
        connector: Arc<Connector>,
        prefix: &str,
        near: &Arc<Near>,
        listeners: &Arc<Listeners>,
    ) -> Arc<Self> {
        let probed = Key::new("probe").on_server(&Prefix::new(prefix));
        Arc::new(Self {
            connector,
            probed,
            breaker: Breaker::default(),
            why: Mutex::default(),
            writes: Writes::default(),
            a_node_refused: AtomicBool::new(false),
            demotions: AtomicU64::new(0),
            suspicions: AtomicU64::new(0),
            left_outage: AtomicU64::new(0),
            forbids_reads: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            near: near.clone(),
            listeners: listeners.clone(),
            meter: OfServer::new(prefix),
        })
    }

    /// Whether nobody should ask the server.
    pub(super) fn is_away(&self) -> bool {
        self.breaker.is_open()
    }

    /// An error if nobody should ask the server: the one that it was last seen with.
    pub(super) fn check(self: &Arc<Self>) -> Result<(), Error> {
        if !self.is_away() {
            return Ok(());
        }
        self.see_to_probing();
        Err(self.why().unwrap_or_else(away))
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.breaker.is_in_doubt()
    }

    pub(super) fn outages(&self) -> u64 {
        self.breaker.outages()
    }

    pub(super) fn takes_writes(&self) -> bool {
        !self.writes.are_suspended()
    }

    /// What a connection that is found well now is known to be as of.
    pub(super) fn as_of(&self) -> AsOf {
        AsOf {
            demotions: self.demotions.load(Ordering::Relaxed),
            suspicions: self.suspicions.load(Ordering::Relaxed),
        }
    }

    /// A connection is silent.
    pub(super) fn suspect(&self) {
        self.suspicions.fetch_add(1, Ordering::Relaxed);
        self.breaker.doubted();
    }

    /// The server answered a command.
    pub(super) fn answered(&self) {
        self.breaker.answered();
    }

    /// So many commands were not answered in time.
    pub(super) fn late(self: &Arc<Self>, commands: u64) {
        if self.breaker.late(commands, Instant::now()) {
            self.lost(&late());
        }
    }

    /// An attempt to reach the server failed.
    pub(super) fn dead(self: &Arc<Self>, error: &Error) {
        if self.breaker.dead(Instant::now()) {
            self.lost(error);
        }
    }

    /// What an error of the server means for others than who asked.
    pub(super) fn look_at(self: &Arc<Self>, error: &RedisError) {
        match class(error) {
            Class::RefusesAll if self.connector.is_cluster() && is_of_one_node(error) => {}
            Class::RefusesAll => self.refused(&copy(error)),
            Class::Demoted => {
                self.demotions.fetch_add(1, Ordering::Relaxed);
                // What it pushes is no longer what changes, and copies ask no connection.
                self.near.forget_all();
            }
            _ => {}
        }
    }

    /// What an error means that a connection met before it was one. One that will not pass is met by
    /// every other connection, too.
    pub(super) fn look_at_connecting(self: &Arc<Self>, error: &RedisError) -> Error {
        self.look_at(error);
        let told = told_of_connecting(error);
        if !told.is_passing() {
            self.refused(&told);
        }
        told
    }

    fn refused(self: &Arc<Self>, error: &Error) {
        if self.breaker.refused(Instant::now()) {
            self.lost(error);
        }
    }

    /// The server does not let this cache read. It may let it read other keys, so this is no outage.
    pub(super) fn forbids_reads(&self) {
        if !self.forbids_reads.swap(true, Ordering::Relaxed) {
            exec::aside(|| {
                tracing::warn!(
                    "redis forbids to read (NOPERM); functions whose keys cannot be read are not \
                     cached"
                );
            });
        }
    }

    /// An error if writes are left out for now.
    pub(super) fn may_write(&self) -> Result<(), Error> {
        if self.takes_writes() || self.writes.may_try(Instant::now()) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            "redis takes no writes for now",
        ))
    }

    /// What the server said to a write of this key. That it forbids a key by hand says nothing of
    /// those of functions.
    pub(super) fn wrote_to<T>(&self, key: &Key, answer: &Result<T, RedisError>) {
        let is_forbidden = |error: &RedisError| class(error) == Class::Forbidden;
        if !(key.is_raw() && answer.as_ref().is_err_and(is_forbidden)) {
            self.wrote(answer);
        }
    }

    /// What the server said to a write. One node of a cluster says it of itself, so others are written to
    /// as before, and it is asked each time.
    pub(super) fn wrote<T>(&self, answer: &Result<T, RedisError>) {
        match answer {
            Err(error) if self.connector.is_cluster() && refuses_writes_for_now(error) => {
                if !self.a_node_refused.swap(true, Ordering::Relaxed) {
                    let code = code(error).map(str::to_owned);
                    exec::aside(move || {
                        tracing::warn!(
                            code,
                            "a node of the cluster takes no writes: what is loaded is returned but not \
                             stored where its keys are, until it does"
                        );
                    });
                }
            }
            Ok(_) if self.takes_writes() => {}
            Ok(_) => {
                if self.writes.accepted() {
                    exec::aside(|| tracing::info!("redis takes writes again"));
                    self.change(EventKind::WritesResumed);
                }
            }
            Err(error) if class(error).refuses_writes() => {
                if self.writes.refused(Instant::now()) {
                    let code = code(error).map(str::to_owned);
                    exec::aside(move || {
                        tracing::warn!(
                            code,
                            "redis takes no writes: what is loaded is returned but not stored, until it does"
                        );
                    });
                    self.change(EventKind::WritesSuspended);
                }
            }
            Err(_) => {}
        }
    }

    /// The key that is asked for where none is meant.
    pub(super) fn probed(&self) -> &str {
        &self.probed
    }

    /// The address of the server, where it has one alone.
    pub(super) fn address(&self) -> Option<&ConnectionAddr> {
        self.connector.place()
    }

    /// Asks on a connection made for this, and takes the answer for the server's state.
    pub(super) async fn probe(self: &Arc<Self>) -> Result<(), Error> {
        let probed = self.ask().await;
        match &probed {
            Ok(()) => self.back(),
            Err(failed) if failed.is_of_all() => {
                self.refused(&failed.told());
                self.set_why(failed.told());
            }
            Err(failed) => {
                let error = failed.told();
                self.dead(&error);
                self.set_why(error);
            }
        }
        probed.map_err(|failed| failed.told())
    }

    async fn ask(&self) -> Result<(), Ask> {
        let connecting = self.connector.connect();
        let connected = patiently(self.connector.connect_limit(), connecting).await;
        let mut connection = connected.ok_or(Ask::Late)?.map_err(Ask::Connecting)?;
        let mut command = cmd("MGET");
        command.arg(&self.probed);
        prove(&mut connection, &command, self.connector.response_timeout()).await
    }

    fn lost(self: &Arc<Self>, why: &Error) {
        // Begins last, so that nothing is told before this is.
        let _probing = Probing(self);
        self.set_why(why.clone());
        self.change(EventKind::Lost);
        let (why, place) = (why.clone(), self.connector.place().cloned());
        exec::aside(move || {
            tracing::warn!(
                %why,
                cause = why.source().map(tracing::field::display),
                at = place.map(tracing::field::display),
                "redis is away: annotated functions run their bodies until it is back"
            );
        });
    }

    fn back(&self) {
        if let Some(away_for) = self.breaker.recovered(Instant::now()) {
            exec::aside(move || tracing::info!(?away_for, "redis is back"));
            self.change(EventKind::Back);
        }
    }

    fn change(&self, kind: EventKind) {
        self.meter.changed(kind);
        self.listeners.change(kind);
    }

    pub(super) fn meter(&self) -> &OfServer {
        &self.meter
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn why(&self) -> Option<Error> {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone()
    }

    fn set_why(&self, error: Error) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// A moment in what is known of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AsOf {
    /// Changes when connections may lead to a server that is no longer the master.
    pub(super) demotions: u64,
    /// Changes when other connections may be as silent as the one that was found so: a firewall
    /// forgets them together, and each would cost its callers a deadline of its own.
    pub(super) suspicions: u64,
}

/// Begins to probe at its end, be that a panic of the user's log: nobody else finds the server again.
struct Probing<'a>(&'a Arc<Health>);

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.begin_probing();
    }
}

impl Health {
    /// Has the server looked for again where nobody does any more: without the I/O thread nobody can.
    pub(super) fn see_to_probing(self: &Arc<Self>) {
        let outage = self.outages();
        let is_left = self.left_outage.load(Ordering::Acquire) == outage;
        // Not before the outage was told of, at whose end the first search begins.
        if is_left && self.left_outage.swap(0, Ordering::AcqRel) == outage {
            self.begin_probing();
        }
    }

    fn begin_probing(self: &Arc<Self>) {
        let probe = Probe {
            health: Arc::downgrade(self),
            outage: self.outages(),
        };
        // Without the I/O thread it is dropped.
        let _ = exec::spawn_on_io(async move { probe.until_back().await });
    }
}

/// The search for the server in one outage.
struct Probe {
    health: Weak<Health>,
    outage: u64,
}

/// Also where the I/O thread ends, or cannot be started.
impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(health) = self.health.upgrade() {
            health.left_outage.store(self.outage, Ordering::Release);
        }
    }
}

impl Probe {
    /// Ends with the outage, and with the cache.
    async fn until_back(&self) {
        let next = |health: &Health| jittered(health.breaker.next_probe());
        let Some(mut pause) = self.health.upgrade().map(|health| next(&health)) else {
            return;
        };
        loop {
            tokio::time::sleep(pause).await;
            let Some(health) = self.health.upgrade() else {
                return;
            };
            let is_over = !health.is_away() || health.outages() != self.outage;
            if is_over || health.closed.load(Ordering::Relaxed) {
                return;
            }
            let began = Instant::now();
            // What came of it is known to the breaker.
            let _ = health.probe().await;
            pause = next(&health)
                .saturating_sub(began.elapsed())
                .max(SHORTEST_PAUSE);
        }
    }
}

/// Not all processes of a fleet at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// How asking for a sign of life went wrong.
pub(super) enum Ask {
    Late,
    Error(RedisError),
    /// No connection was made.
    Connecting(RedisError),
}

impl Ask {
    pub(super) fn error(&self) -> Option<&RedisError> {
        match self {
            Self::Late => None,
            Self::Error(error) | Self::Connecting(error) => Some(error),
        }
    }

    pub(super) fn told(&self) -> Error {
        match self {
            Self::Late => late(),
            Self::Error(error) => copy(error),
            Self::Connecting(error) => told_of_connecting(error),
        }
    }

    /// Whether whatever is asked is refused.
    fn is_of_all(&self) -> bool {
        let is_refusal = |error| class(error) == Class::RefusesAll;
        self.error().is_some_and(is_refusal) || !self.told().is_passing()
    }
}

/// Whether this connection leads to a server that answers in time.
pub(super) async fn prove(
    connection: &mut Connection,
    command: &redis::Cmd,
    limit: Duration,
) -> Result<(), Ask> {
    match patiently(limit, connection.send_one(command)).await {
        None => Err(Ask::Late),
        Some(Err(error)) if class(&error).is_of_the_server() => Err(Ask::Error(error)),
        // Whatever it says about this one command, it answers.
        Some(_) => Ok(()),
    }
}

fn refuses_writes_for_now(error: &RedisError) -> bool {
    matches!(class(error), Class::RefusesWrites | Class::Demoted)
}

fn away() -> Error {
    Error::new(ErrorKind::Unavailable, "redis is away")
}

fn copy(error: &RedisError) -> Error {
    told(error.clone())
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}
