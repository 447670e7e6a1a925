//! The verbs that carry a token: leases, what is stored under them, and how they end. Each compares
//! before it replaces, by a script or, where those are forbidden, by SET with IFEQ.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind as Kind, Pipeline, RedisError, ServerErrorKind, Value, cmd};

use super::failure::read;
use super::lane::Again;
use super::script::{self, Source};
use super::{Answer, Redis, millis};
use crate::error::Error;
use crate::key::Key;
use crate::lease::Token;
use crate::store::{Leased, Lock};

/// What was found out about the server on the way.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Its SET has no NX together with GET: it is older than Redis 7.0.
    sets_without_get: AtomicBool,
    /// It forbids scripts.
    forbids_scripts: AtomicBool,
    /// It forbids scripts and has no SET with IFEQ: nothing can be compared before it is replaced.
    compares_nothing: AtomicBool,
}

impl Redis {
    pub(crate) fn is_unfenced(&self) -> bool {
        self.server.compares_nothing.load(Ordering::Relaxed)
    }

    /// By [SET with NX and GET](https://redis.io/docs/latest/commands/set/): sets the token where
    /// nothing stands, and else answers with what does. The token is of this one send: it is sent
    /// again only where the server has said that it ran nothing.
    pub(crate) async fn lease(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
    ) -> Result<Leased, Error> {
        self.health.may_write()?;
        if self.is_unfenced() {
            return Ok(Leased::Unfenced);
        }
        let name = self.name(key);
        let millis = millis(life).to_string();
        let mut set = cmd("SET");
        set.arg(&name).arg(token.as_bytes());
        set.arg(&["NX", "GET", "PX"]).arg(&millis);
        let arguments = [token.as_bytes(), millis.as_bytes()];
        let mut answer = match self.server.sets_without_get.load(Ordering::Relaxed) {
            true => self.take_by(&script::LEASE, key, &arguments).await?,
            false => self.take(key, set).await?,
        };
        if answer.as_ref().is_err_and(is_syntax_error) {
            self.server.sets_without_get.store(true, Ordering::Relaxed);
            answer = self.take_by(&script::LEASE, key, &arguments).await?;
        }
        let by_script = self.server.sets_without_get.load(Ordering::Relaxed);
        if by_script && answer.as_ref().is_err_and(is_forbidden) {
            // Neither way to take a lease is open.
            self.compares_nothing();
            return Ok(Leased::Unfenced);
        }
        self.health.wrote(&answer);
        let stored = match answer {
            Err(error) if error.code() == Some("WRONGTYPE") => return Ok(Leased::Foreign),
            answer => read::<Option<Vec<u8>>>(answer)?,
        };
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
        self.health.may_write()?;
        let millis = millis(life).to_string();
        let answer = if self.server.forbids_scripts.load(Ordering::Relaxed) {
            let new = token.as_bytes();
            let set = set_if_equal(&self.name(key), unusable, new, Some(life));
            self.take(key, set).await?
        } else {
            let arguments = [unusable, token.as_bytes(), millis.as_bytes()];
            self.take_by(&script::DISPLACE, key, &arguments).await?
        };
        self.compared(answer)
    }

    /// Sends what puts a token under the key and behind it, in the same pipeline, what ends a
    /// refresh under way. In this order: a refresh that is claimed between the two could otherwise
    /// store over what the holder of the token loads. Never sent again, since the token is of this
    /// one send.
    async fn take(&self, key: &Key, command: Cmd) -> Result<Answer, Error> {
        let mut commands = Pipeline::new();
        commands.add_command(command);
        commands.cmd("UNLINK").arg(self.refresh_name(key));
        let [taken, unlinked] = self.answers(commands, Again::No).await?;
        if taken.is_ok() {
            read::<Value>(unlinked)?;
        }
        Ok(taken)
    }

    async fn take_by(
        &self,
        source: &Source,
        key: &Key,
        arguments: &[&[u8]],
    ) -> Result<Answer, Error> {
        let name = self.name(key);
        let answer = self.take(key, source.by_hash(&[&name], arguments)).await?;
        if answer.as_ref().is_err_and(is_unknown_script) {
            return self.take(key, source.by_text(&[&name], arguments)).await;
        }
        Ok(answer)
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
        self.health.wrote(&set);
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
            return self.set_if_equal(&name, bytes, bytes, Some(life)).await;
        }
        let millis = millis(life).to_string();
        let arguments = [token.as_bytes(), millis.as_bytes()];
        self.run(&script::EXTEND, &[&name], &arguments).await
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
        let forbids_scripts = || self.server.forbids_scripts.load(Ordering::Relaxed);
        if !forbids_scripts() {
            let length = token.as_bytes().len().to_string();
            let arguments = [token.as_bytes(), &json, life.as_bytes(), length.as_bytes()];
            let outcome = self.run(source, &keys, &arguments).await;
            if !forbids_scripts() {
                return outcome;
            }
        }
        if lock == Lock::Refresh {
            // Two keys would have to be compared, which no command does: the old value stays.
            return Ok(false);
        }
        let filling = self.set_if_equal(&name, token.as_bytes(), &json, ttl);
        let filled = filling.await;
        if self.is_unfenced() {
            // Found out since the lease was taken: like every later value, it is stored whatever
            // came in between.
            return self.set(key, json, ttl).await.map(|()| true);
        }
        filled
    }

    pub(crate) async fn release(&self, key: &Key, lock: Lock, token: &Token) -> Result<(), Error> {
        if self.server.forbids_scripts.load(Ordering::Relaxed) {
            return Ok(()); // It expires.
        }
        let name = self.place(key, lock);
        self.run(&script::RELEASE, &[&name], &[token.as_bytes()])
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
        self.health.may_write()?;
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
        self.health.wrote(&set);
        Ok(read::<Value>(set)? != Value::Nil)
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
    ) -> Result<bool, Error> {
        let mut by_hash = Pipeline::new();
        by_hash.add_command(source.by_hash(keys, arguments));
        let [answer] = self.answers(by_hash, Again::Yes).await?;
        let answer = match answer {
            Err(error) if is_unknown_script(&error) => {
                let mut by_text = Pipeline::new();
                by_text.add_command(source.by_text(keys, arguments));
                let [answer] = self.answers(by_text, Again::Yes).await?;
                answer
            }
            answer => answer,
        };
        self.compared(answer)
    }

    /// Whether a comparison held, by the answer of a script (a number) or of a SET with IFEQ. What
    /// the answer says of the server is remembered.
    fn compared(&self, answer: Answer) -> Result<bool, Error> {
        match &answer {
            Err(error) if is_forbidden(error) => {
                self.server.forbids_scripts.store(true, Ordering::Relaxed);
            }
            Err(error) if is_syntax_error(error) => {
                self.compares_nothing();
                return Ok(false);
            }
            // That it was taken says nothing: what only extends or ends is taken by a full server.
            Err(_) => self.health.wrote(&answer),
            Ok(_) => {}
        }
        Ok(!matches!(
            read::<Value>(answer)?,
            Value::Nil | Value::Int(0)
        ))
    }

    fn compares_nothing(&self) {
        if !self.server.compares_nothing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "redis forbids scripts and has no SET with IFEQ, so that there are no leases: \
                 processes that miss together all load, and a value read before an invalidation \
                 may be stored after it"
            );
        }
    }

    async fn set_if_equal(
        &self,
        name: &str,
        old: &[u8],
        new: &[u8],
        life: Option<Duration>,
    ) -> Result<bool, Error> {
        if self.is_unfenced() {
            return Ok(false);
        }
        let mut command = Pipeline::new();
        command.add_command(set_if_equal(name, old, new, life));
        let [answer] = self.answers(command, Again::Yes).await?;
        self.compared(answer)
    }
}

/// By SET with IFEQ, which Redis has since 8.4 and Valkey since 8.1; where scripts are forbidden it
/// is the only way to compare before replacing.
fn set_if_equal(name: &str, old: &[u8], new: &[u8], life: Option<Duration>) -> Cmd {
    let mut set = cmd("SET");
    set.arg(name).arg(new).arg("IFEQ").arg(old);
    if let Some(life) = life {
        set.arg("PX").arg(millis(life));
    }
    set
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
