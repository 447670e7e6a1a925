//! The store on a Redis server: each verb as the commands that it sends.

mod connect;
mod lane;
mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::{ErrorKind as Kind, FromRedisValue, Pipeline, RedisError, ServerErrorKind, Value};
use deadpool_redis::Pool;

use self::connect::Connector;
use self::lane::{Again, Lane, told};
use self::script::Source;
use super::{Found, Invalidated, Leased, Left, Lock};
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::key::Key;
use crate::lease::Token;
use crate::owed::Owed;

#[derive(Debug)]
pub(crate) struct Redis {
    prefix: String,
    /// Bounds a whole verb, connecting included.
    limit: Duration,
    pool: Option<Pool>,
    is_cluster: bool,
    lane: Arc<Lane>,
    owed: Arc<Owed>,
    server: Server,
}

/// What was found out about the server on the way.
#[derive(Debug, Default)]
struct Server {
    /// Its SET has no NX together with GET: it is older than Redis 7.0.
    sets_without_get: AtomicBool,
    /// It forbids scripts.
    forbids_scripts: AtomicBool,
    /// It forbids scripts and has no SET with IFEQ: nothing can be compared before it is replaced.
    compares_nothing: AtomicBool,
}

type Answer = Result<Value, RedisError>;

impl Redis {
    pub(crate) fn new(config: &Config, owed: &Arc<Owed>) -> Result<Self, Error> {
        let connector = Connector::new(config)?;
        Ok(Self {
            prefix: config.prefix.clone(),
            limit: config.connect_timeout + config.response_timeout,
            pool: connector.pool()?,
            is_cluster: connector.is_cluster(),
            lane: Arc::new(Lane::new(connector, &config.prefix, owed)),
            owed: owed.clone(),
            server: Server::default(),
        })
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    pub(crate) fn is_unfenced(&self) -> bool {
        self.server.compares_nothing.load(Ordering::Relaxed)
    }

    pub(crate) async fn get(&self, key: &Key, left: bool) -> Result<Found, Error> {
        if !left {
            let json = self
                .get_many(std::slice::from_ref(key))
                .await?
                .pop()
                .flatten();
            return Ok(Found {
                json,
                left: Left::Unknown,
            });
        }
        let name = self.name(key);
        let mut commands = Pipeline::new();
        commands.cmd("MGET").arg(&name);
        commands.cmd("PTTL").arg(&name);
        let [json, left] = self.answers(commands, Again::Yes).await?;
        let json: Vec<Option<Vec<u8>>> = read(json)?;
        Ok(Found {
            json: json.into_iter().next().flatten(),
            left: match read::<i64>(left)? {
                -1 => Left::Forever,
                left => u64::try_from(left)
                    .map_or(Left::Unknown, |left| Left::For(Duration::from_millis(left))),
            },
        })
    }

    /// By [MGET](https://redis.io/docs/latest/commands/mget/) even for one key: under a key of
    /// another type it finds nothing, where GET is an error.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // In a cluster each may be on another node.
        let at_once = if self.is_cluster { 1 } else { keys.len() };
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(at_once) {
            let mut command = Pipeline::new();
            command.cmd("MGET");
            for key in keys {
                command.arg(self.name(key));
            }
            found.extend(self.ask::<Vec<Option<Vec<u8>>>>(command).await?);
        }
        Ok(found)
    }

    /// By [SET with NX and GET](https://redis.io/docs/latest/commands/set/): sets the token where
    /// nothing stands, and else answers with what does. The token is of this one send: no library
    /// and no retry ever sends it again.
    pub(crate) async fn lease(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
    ) -> Result<Leased, Error> {
        if self.server.compares_nothing.load(Ordering::Relaxed) {
            return Ok(Leased::Unfenced);
        }
        let name = self.name(key);
        let millis = millis(life).to_string();
        let mut commands = Pipeline::new();
        let old = self.server.sets_without_get.load(Ordering::Relaxed);
        let arguments = [token.as_bytes(), millis.as_bytes()];
        if old {
            commands.add_command(script::LEASE.by_hash(&[&name], &arguments));
        } else {
            let set = commands.cmd("SET").arg(&name).arg(token.as_bytes());
            set.arg(&["NX", "GET", "PX"]).arg(&millis);
        }
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        let [mut set, unlinked] = self.answers(commands, Again::No).await?;
        if set.as_ref().is_err_and(is_unknown_script) {
            let mut by_text = Pipeline::new();
            by_text.add_command(script::LEASE.by_text(&[&name], &arguments));
            [set] = self.answers(by_text, Again::No).await?;
        }
        let stored = match set {
            Err(error) if error.code() == Some("WRONGTYPE") => return Ok(Leased::Foreign),
            Err(error) if is_syntax_error(&error) => {
                self.server.sets_without_get.store(true, Ordering::Relaxed);
                return Box::pin(self.lease(key, token, life)).await;
            }
            set => read::<Option<Vec<u8>>>(set)?,
        };
        // A refresh that was not ended could store over what this lease loads.
        read::<Value>(unlinked)?;
        Ok(match stored {
            None => Leased::Ours,
            Some(stored) => match Token::read(&stored) {
                Some(holder) => Leased::Held(holder),
                None => Leased::Value(stored),
            },
        })
    }

    pub(crate) async fn displace(
        &self,
        key: &Key,
        unusable: &[u8],
        token: &Token,
        life: Duration,
    ) -> Result<bool, Error> {
        let name = self.name(key);
        let millis = millis(life).to_string();
        let arguments = [unusable, token.as_bytes(), millis.as_bytes()];
        let mut unlink = Pipeline::new();
        unlink.cmd("UNLINK").arg(self.refresh_name(key));
        let _: Value = self.ask(unlink).await?;
        if self.server.forbids_scripts.load(Ordering::Relaxed) {
            return self
                .set_if_equal(&name, unusable, token.as_bytes(), Some(life), Again::No)
                .await;
        }
        self.run(&script::DISPLACE, &[&name], &arguments, Again::No)
            .await
    }

    pub(crate) async fn seize(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
    ) -> Result<(), Error> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        let set = commands
            .cmd("SET")
            .arg(self.name(key))
            .arg(token.as_bytes());
        set.arg("PX").arg(millis(life));
        let [unlinked, set] = self.answers(commands, Again::No).await?;
        read::<Value>(unlinked)?;
        read(set)
    }

    pub(crate) async fn extend(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        life: Duration,
    ) -> Result<bool, Error> {
        let name = self.place(key, lock);
        if self.server.forbids_scripts.load(Ordering::Relaxed) {
            let bytes = token.as_bytes();
            return self
                .set_if_equal(&name, bytes, bytes, Some(life), Again::Yes)
                .await;
        }
        let millis = millis(life).to_string();
        let arguments = [token.as_bytes(), millis.as_bytes()];
        self.run(&script::EXTEND, &[&name], &arguments, Again::Yes)
            .await
    }

    pub(crate) async fn fill(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        let name = self.name(key);
        let life = ttl.map_or(0, millis).to_string();
        let (source, keys) = match lock {
            Lock::Lease => (&script::FILL, vec![name.clone()]),
            Lock::Refresh => (
                &script::FILL_REFRESH,
                vec![name.clone(), self.refresh_name(key)],
            ),
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if self.server.forbids_scripts.load(Ordering::Relaxed) {
            // A refresh needs two keys compared, which no command does: the old value stays.
            return match lock {
                Lock::Lease => {
                    self.set_if_equal(&name, token.as_bytes(), &json, ttl, Again::Yes)
                        .await
                }
                Lock::Refresh => Ok(false),
            };
        }
        let length = token.as_bytes().len().to_string();
        let arguments = [token.as_bytes(), &json, life.as_bytes(), length.as_bytes()];
        let outcome = self.run(source, &keys, &arguments, Again::Yes).await;
        if lock == Lock::Lease && self.server.forbids_scripts.load(Ordering::Relaxed) {
            return self
                .set_if_equal(&name, token.as_bytes(), &json, ttl, Again::Yes)
                .await;
        }
        outcome
    }

    /// By [SETEX](https://redis.io/docs/latest/commands/setex/), its PSETEX where the time is no
    /// whole number of seconds, or SET. Each replaces a value of any type.
    pub(crate) async fn set(
        &self,
        key: &Key,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<(), Error> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        let name = self.name(key);
        match ttl {
            None => commands.cmd("SET").arg(name),
            Some(ttl) if ttl.subsec_nanos() == 0 => {
                commands.cmd("SETEX").arg(name).arg(ttl.as_secs())
            }
            Some(ttl) => commands.cmd("PSETEX").arg(name).arg(millis(ttl)),
        };
        commands.arg(json);
        let [unlinked, set] = self.answers(commands, Again::Yes).await?;
        read::<Value>(unlinked)?;
        read(set)
    }

    pub(crate) async fn release(&self, key: &Key, lock: Lock, token: &Token) -> Result<(), Error> {
        if self.server.forbids_scripts.load(Ordering::Relaxed) {
            return Ok(()); // It expires.
        }
        let name = self.place(key, lock);
        self.run(&script::RELEASE, &[&name], &[token.as_bytes()], Again::Yes)
            .await
            .map(drop)
    }

    pub(crate) async fn claim(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
        take_over: bool,
    ) -> Result<bool, Error> {
        let mut command = Pipeline::new();
        let set = command
            .cmd("SET")
            .arg(self.refresh_name(key))
            .arg(token.as_bytes());
        set.arg("PX").arg(millis(life));
        if !take_over {
            set.arg("NX");
        }
        let [set] = self.answers(command, Again::No).await?;
        Ok(read::<Value>(set)? != Value::Nil)
    }

    /// By [UNLINK](https://redis.io/docs/latest/commands/unlink/), which frees the memory of a
    /// large value on another thread of the server. Two commands and not one with two keys: in a
    /// slot that a cluster is moving, the one with two keys fails.
    pub(crate) async fn remove(&self, key: &Key) -> Result<Invalidated, Error> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        commands.cmd("UNLINK").arg(self.name(key));
        match self.answers(commands, Again::Yes).await {
            Ok([refresh, removed]) => {
                read::<Value>(refresh)?;
                Ok(match read::<bool>(removed)? {
                    true => Invalidated::Removed,
                    false => Invalidated::Absent,
                })
            }
            Err(error) if is_away(&error) && self.owed.add(key) => {
                self.make_up();
                Ok(Invalidated::Queued)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let mut command = Pipeline::new();
        command.cmd("PING");
        self.ask(command).await
    }

    /// Makes up for what is owed, for so long at most, then ends the connections; what is asked
    /// later is refused.
    pub(crate) async fn close(&self) {
        if !self.owed.is_empty() {
            let lane = self.lane.clone();
            // What could not be made up for in time is lost with this process.
            let _ = exec::on_io(self.limit, async move { lane.settle().await }).await;
        }
        self.lane.close().await;
        if let Some(pool) = &self.pool {
            pool.close();
        }
    }

    /// Until nothing is owed any more, tries again and again behind everybody's back.
    fn make_up(&self) {
        let lane = self.lane.clone();
        let owed = self.owed.clone();
        if !owed.begin_making_up() {
            return;
        }
        let making_up = async move {
            let mut pause = Duration::from_millis(50);
            while !owed.is_empty() && !lane.is_closed() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
                // An error is one more reason to try again.
                let _ = lane.settle().await;
            }
            owed.end_making_up();
        };
        if exec::spawn_on_io(making_up).is_err() {
            self.owed.end_making_up();
        }
    }

    fn name(&self, key: &Key) -> String {
        key.on_server(&self.prefix)
    }

    fn refresh_name(&self, key: &Key) -> String {
        key.refresh_on_server(&self.prefix)
    }

    fn place(&self, key: &Key, lock: Lock) -> String {
        match lock {
            Lock::Lease => self.name(key),
            Lock::Refresh => self.refresh_name(key),
        }
    }

    /// Runs a script that answers whether its comparison held.
    async fn run(
        &self,
        source: &Source,
        keys: &[&str],
        arguments: &[&[u8]],
        again: Again,
    ) -> Result<bool, Error> {
        let mut by_hash = Pipeline::new();
        by_hash.add_command(source.by_hash(keys, arguments));
        let [answer] = self.answers(by_hash, again).await?;
        let answer = match answer {
            Err(error) if is_unknown_script(&error) => {
                let mut by_text = Pipeline::new();
                by_text.add_command(source.by_text(keys, arguments));
                let [answer] = self.answers(by_text, again).await?;
                answer
            }
            answer => answer,
        };
        if answer.as_ref().is_err_and(is_forbidden) {
            self.server.forbids_scripts.store(true, Ordering::Relaxed);
        }
        read(answer)
    }

    /// By SET with IFEQ, which Redis has since 8.4 and Valkey since 8.1; where scripts are
    /// forbidden it is the only way to compare before replacing.
    async fn set_if_equal(
        &self,
        name: &str,
        old: &[u8],
        new: &[u8],
        life: Option<Duration>,
        again: Again,
    ) -> Result<bool, Error> {
        if self.server.compares_nothing.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut command = Pipeline::new();
        let set = command.cmd("SET").arg(name).arg(new).arg("IFEQ").arg(old);
        if let Some(life) = life {
            set.arg("PX").arg(millis(life));
        }
        let [answer] = self.answers(command, again).await?;
        if answer.as_ref().is_err_and(is_syntax_error) {
            if !self.server.compares_nothing.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "redis forbids scripts and has no SET with IFEQ, so that there are no leases: \
                     processes that miss together all load, and a value read before an \
                     invalidation may be stored after it"
                );
            }
            return Ok(false);
        }
        Ok(read::<Value>(answer)? != Value::Nil)
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
        let lane = self.lane.clone();
        let asking = async move { lane.send(&commands, again).await };
        let timed_out = || {
            Err(Error::new(
                ErrorKind::Timeout,
                "redis did not answer in time",
            ))
        };
        let answers = exec::on_io(self.limit, asking)
            .await?
            .unwrap_or_else(timed_out)?;
        answers.try_into().map_err(|_| unfit())
    }
}

fn read<T: FromRedisValue>(answer: Answer) -> Result<T, Error> {
    // The error of a failed conversion quotes the value, so it is not kept.
    T::from_redis_value(answer.map_err(told)?).map_err(|_| unfit())
}

fn unfit() -> Error {
    Error::new(
        ErrorKind::Refused,
        "redis answered with something that does not fit the command",
    )
}

/// A whole number of milliseconds, at least one: what a server can keep.
fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn is_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

/// Nothing ran.
fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == Kind::Server(ServerErrorKind::NoScript)
}

fn is_forbidden(error: &RedisError) -> bool {
    error.kind() == Kind::Server(ServerErrorKind::NoPerm)
        || error
            .detail()
            .is_some_and(|text| text.contains("unknown command"))
}

fn is_syntax_error(error: &RedisError) -> bool {
    error
        .detail()
        .is_some_and(|text| text.contains("syntax error"))
}
