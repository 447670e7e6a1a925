//! The store on a Redis server: each verb as the commands that it sends.

mod batch;
mod code;
mod compare;
mod connect;
mod deadline;
mod debts;
mod exclusive;
mod failure;
mod health;
mod home;
mod lane;
mod lanes;
mod link;
mod lone;
mod patience;
mod pulse;
mod reads;
mod replies;
mod resp;
mod said;
mod script;
mod threads;
mod tokens;
mod tracking;
mod turn;
mod watch;
mod watched;
mod writes;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value, cmd};
use deadpool_redis::Pool;
use futures_util::future::join_all;

use self::batch::{MOST_KEYS, Wanted};
use self::compare::Server;
use self::connect::Connector;
use self::debts::Debts;
use self::exclusive::Exclusive;
use self::failure::{is_for_now, late, read, told, unfit};
use self::health::Health;
pub(super) use self::home::AtHome;
use self::lane::Again;
use self::lanes::Lanes;
pub(super) use self::reads::Get;
use self::tracking::Tracking;
use self::turn::Turn;
use self::watched::Watched;
use super::{Invalidated, Reading};
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::event::Listeners;
use crate::exec;
use crate::key::{Key, Prefix};
use crate::load::LONGEST;
use crate::metrics::OfServer;
use crate::near::Near;
use crate::owed::Owed;
use crate::size::Size;

#[derive(Debug)]
pub(crate) struct Redis {
    prefix: Prefix,
    limit: Duration,
    pool: Option<Pool>,
    is_cluster: bool,
    lanes: Lanes,
    tracking: Tracking,
    near: Arc<Near>,
    health: Arc<Health>,
    owed: Arc<Owed>,
    is_making_up: Arc<AtomicBool>,
    server: Server,
    watched: Arc<Watched>,
}

type Answer = Result<Value, RedisError>;

impl Redis {
    pub(crate) fn new(
        config: &Config,
        owed: &Arc<Owed>,
        near: &Arc<Near>,
        listeners: &Arc<Listeners>,
    ) -> Result<Self, Error> {
        let connector = Arc::new(Connector::new(config)?);
        let prefix = Prefix::new(&config.prefix);
        let health = Health::new(connector.clone(), &config.prefix, near, listeners);
        let debts = Debts::new(owed, &prefix, &connector);
        let limit = config.connect_timeout + config.response_timeout;
        let exclusive = Exclusive::new(connector.clone(), health.clone(), debts.clone());
        let (pool, is_cluster) = (connector.pool()?, connector.is_cluster());
        let tracking = Tracking::new(&connector, &prefix, &health, &debts, near, limit);
        let lanes = Lanes::new(connector, &health, debts, limit);
        let watched = Watched::new(exclusive, health.clone(), lanes.io().clone(), limit);
        Ok(Self {
            prefix,
            limit,
            pool,
            is_cluster,
            tracking,
            lanes,
            near: near.clone(),
            health,
            owed: owed.clone(),
            is_making_up: Arc::default(),
            server: Server::default(),
            watched,
        })
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Where commands that fail are counted.
    pub(crate) fn meter(&self) -> &OfServer {
        self.health.meter()
    }

    /// Whether asking would be in vain.
    pub(crate) fn is_away(&self) -> bool {
        let is_away = self.health.is_away();
        if is_away {
            self.health.see_to_probing();
        }
        is_away
    }

    pub(crate) fn takes_writes(&self) -> bool {
        self.health.takes_writes()
    }

    pub(crate) fn outages(&self) -> u64 {
        self.health.outages()
    }

    pub(crate) fn get<'a>(&'a self, key: &'a Key, left: bool, size: Size) -> Reading<'a> {
        let name = key.under_prefix(&self.prefix);
        self.lanes.get(Wanted { name, left, size })
    }

    /// Through the lane that is tracked, if there is one, however large the value: what is read on
    /// another is not told of there.
    pub(crate) fn get_watched<'a>(&'a self, key: &'a Key, size: Size) -> Reading<'a> {
        Reading::Boxed(Box::pin(async move {
            match self.tracking.get(self.name(key), size).await {
                Some(found) => found,
                None => self.get(key, true, size).await,
            }
        }))
    }

    /// Lets so much of the time go by after which what was refused is tried again.
    pub(crate) fn advance(&self, by: Duration) {
        self.server.advance(by);
        self.tracking.advance(by);
    }

    pub(crate) fn tells_changes(&self) -> bool {
        self.tracking.is_on()
    }

    /// By [MGET](https://redis.io/docs/latest/commands/mget/). From a cluster, whose nodes have some of the
    /// keys each, by reads that are under way at once.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if self.is_cluster {
            let mut found = Vec::with_capacity(keys.len());
            for keys in keys.chunks(MOST_KEYS) {
                let get = |key| self.get(key, false, Size::Unknown);
                found.extend(join_all(keys.iter().map(get)).await);
            }
            return found.into_iter().map(|found| Ok(found?.json)).collect();
        }
        let mut command = Pipeline::new();
        command.cmd("MGET");
        for key in keys {
            command.arg(self.name(key));
        }
        self.ask(command).await
    }

    /// Replaces a value of any type. Never sent again: an invalidation may have come in between.
    pub(crate) async fn set(
        &self,
        key: &Key,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<(), Error> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        commands.add_command(store(&self.name(key), &json, ttl));
        let [unlinked, set] = self.answers(commands, Again::No).await?;
        read::<Value>(unlinked)?;
        self.health.wrote_to(key, &set);
        read(set)
    }

    /// By [UNLINK](https://redis.io/docs/latest/commands/unlink/), which frees the memory of a
    /// large value on another thread of the server. Two commands and not one with two keys: in a
    /// slot that a cluster is moving, the one with two keys fails.
    pub(crate) async fn remove(&self, key: &Key) -> Result<Invalidated, Error> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        commands.cmd("UNLINK").arg(self.name(key));
        let removed = match self.answers(commands, Again::Yes).await {
            Ok([refresh, removed]) => refresh.and(removed),
            Err(error) if error.is_passing() => return self.owe(key, error),
            Err(error) => return Err(error),
        };
        match removed {
            Err(error) if is_for_now(&error) => self.owe(key, told(error)),
            removed => Ok(match read(removed)? {
                true => Invalidated::Removed,
                false => Invalidated::Absent,
            }),
        }
    }

    /// What could not be removed is, later; an error if so much is owed that it cannot be remembered.
    pub(crate) fn owe(&self, key: &Key, error: Error) -> Result<Invalidated, Error> {
        if !self.owed.add(key) {
            // Then nothing is known of what is here.
            self.near.forget_all();
            return Err(error);
        }
        self.meter().failed(&error);
        // Without anybody to deliver it, it is an error, and pending all the same.
        self.make_up()?;
        Ok(Invalidated::Queued)
    }

    /// Asks on a connection of its own while the server is not known to be well, so that it is
    /// asked at all, and where an error does not say why.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let answer = self.ping_once().await;
        answer.map_err(|error| match self.health.address() {
            Some(address) if error.is_passing() => error.at(address),
            _ => error,
        })
    }

    async fn ping_once(&self) -> Result<(), Error> {
        if self.health.is_away() || self.health.is_in_doubt() {
            return self.probe().await;
        }
        let mut commands = Pipeline::new();
        commands.cmd("PING");
        // Of no use is also a server that does not let us read, or a node that has other keys.
        commands.cmd("MGET").arg(self.health.probed());
        let answers = self.answers(commands, Again::Yes).await;
        let answers = answers.and_then(|[pong, found]| {
            read::<Value>(pong)?;
            read::<Value>(found).map(drop)
        });
        match answers {
            // Another one found the server in doubt meanwhile.
            Err(error) if error.kind() == ErrorKind::Unavailable && error.source().is_none() => {
                self.probe().await
            }
            answer => answer,
        }
    }

    async fn probe(&self) -> Result<(), Error> {
        let health = self.health.clone();
        let probing = exec::on_io(self.limit, async move { health.probe().await });
        probing.await?.unwrap_or_else(|| Err(late()))
    }

    /// Makes up for what is owed, for so long at most, then ends the connections; what is asked
    /// later is refused.
    pub(crate) async fn close(&self) {
        if !self.owed.is_empty() {
            let lane = self.lanes.io().clone();
            // What could not be made up for in time is lost with this process.
            let _ = exec::on_io(self.limit, async move { lane.settle().await }).await;
        }
        self.lanes.close();
        self.tracking.close();
        self.watched.close();
        self.health.close();
        if let Some(pool) = &self.pool {
            pool.close();
        }
    }

    /// Until nothing is owed any more, tries again and again behind everybody's back.
    ///
    /// # Errors
    /// Without the I/O thread. Then it is tried again by the next call that meets such a key.
    pub(crate) fn make_up(&self) -> Result<(), Error> {
        let Some(mut turn) = Turn::begin(&self.is_making_up) else {
            return Ok(());
        };
        let (lane, owed) = (Arc::downgrade(self.lanes.io()), self.owed.clone());
        let is_making_up = self.is_making_up.clone();
        let making_up = async move {
            let mut pause = Duration::from_millis(50);
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
                // Gone with the cache, or shut down: then there is nobody left to owe it.
                let Some(lane) = lane.upgrade().filter(|lane| !lane.is_closed()) else {
                    return;
                };
                // An error is one more reason to try again.
                let _ = lane.settle().await;
                if owed.is_empty() {
                    drop(turn);
                    // Something may have come between the look and the end.
                    let again = (!owed.is_empty()).then(|| Turn::begin(&is_making_up));
                    let Some(next) = again.flatten() else {
                        return;
                    };
                    turn = next;
                }
            }
        };
        exec::spawn_on_io(making_up)
    }

    fn name(&self, key: &Key) -> String {
        key.on_server(&self.prefix)
    }

    fn refresh_name(&self, key: &Key) -> String {
        key.refresh_on_server(&self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, command: Pipeline) -> Result<T, Error> {
        let [answer] = self.answers(command, Again::Yes).await?;
        read(answer)
    }

    async fn answers<const N: usize>(
        &self,
        commands: Pipeline,
        again: Again,
    ) -> Result<[Answer; N], Error> {
        let answers = self.lanes.send(commands, again).await?;
        answers.try_into().map_err(|_| unfit())
    }
}

/// By [SETEX](https://redis.io/docs/latest/commands/setex/), its PSETEX where the time is no whole
/// number of seconds, or SET.
fn store(name: &str, json: &[u8], ttl: Option<Duration>) -> Cmd {
    let (command, life) = match ttl.map(millis) {
        None => ("SET", None),
        Some(whole) if whole % 1000 == 0 => ("SETEX", Some(whole / 1000)),
        Some(millis) => ("PSETEX", Some(millis)),
    };
    let mut store = cmd(command);
    store.arg(name).arg(life).arg(json);
    store
}

/// A whole number of milliseconds, at least one: what a server can keep. It counts them in 63 bits
/// and from 1970 on, which no time to live with its `stale` comes near to.
fn millis(life: Duration) -> u64 {
    let longest = 2 * LONGEST.as_millis();
    let millis = life.as_millis().clamp(1, longest);
    u64::try_from(millis).unwrap_or(u64::MAX)
}
