//! The verbs that carry a token: leases, what is stored under them, and how they end. Most of them
//! [compare](super::compare) before they replace.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::code::code;
use super::compare::{Swap, set};
use super::failure::{is_syntax_error, of_lease_script, read, told};
use super::lane::Again;
use super::watched::{Exchange, Outcome};
use super::{Answer, Redis, millis, script};
use crate::error::Error;
use crate::key::Key;
use crate::lease::Token;
use crate::store::{Leased, Lock};

impl Redis {
    /// Sets the token where nothing stands, and else answers with what does. The token is of this one
    /// send: it is sent again only where the server has said that it ran nothing.
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
        let Some(answer) = self.take(key, token, life).await? else {
            self.compares_nothing();
            return Ok(Leased::Unfenced);
        };
        self.health.wrote(&answer);
        let stored = match answer {
            Err(error) if code(&error) == Some("WRONGTYPE") => return Ok(Leased::Foreign),
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

    /// What stood there; none if nothing can be taken. By
    /// [SET with NX and GET](https://redis.io/docs/latest/commands/set/), which servers have since
    /// Redis 7.0.
    async fn take(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
    ) -> Result<Option<Answer>, Error> {
        let (name, refresh) = (self.name(key), self.refresh_name(key));
        let bytes = token.as_bytes();
        if !self.server.lacks_set_with_get.is_so() {
            let mut set = set(&name, bytes, "NX", Some(life));
            set.arg("GET");
            let answer = self.send_ending(set, Some(&refresh)).await?;
            if !answer.as_ref().is_err_and(is_syntax_error) {
                return Ok(Some(answer));
            }
            self.server.lacks_set_with_get.found();
        }
        let millis = millis(life).to_string();
        let arguments = [bytes, millis.as_bytes()];
        let keys = [name.as_str()];
        let by_script = self.run(&script::LEASE, &keys, &arguments, Some(&refresh));
        if let Some(answer) = by_script.await? {
            return Ok(Some(answer.map_err(of_lease_script)));
        }
        let mut commands = Pipeline::new();
        commands.add_command(set(&name, bytes, "NX", Some(life)));
        commands.cmd("UNLINK").arg(&refresh);
        self.take_watched(name, refresh, commands).await
    }

    async fn take_watched(
        &self,
        name: String,
        refresh: String,
        commands: Pipeline,
    ) -> Result<Option<Answer>, Error> {
        let exchange = Exchange {
            keys: vec![name],
            ends: Some(refresh),
            holds: Box::new(|seen| seen[0].is_none()),
            commands,
            again: Again::No,
        };
        Ok(match self.exchange(exchange).await? {
            Ok(Outcome::Done) => Some(Ok(Value::Nil)),
            Ok(Outcome::Left(mut seen)) => {
                let stored = seen.swap_remove(0);
                Some(Ok(stored.map_or(Value::Nil, Value::BulkString)))
            }
            Ok(Outcome::Forbidden) => None,
            Err(error) => Some(Err(error)),
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
        let swap = Swap {
            name: &self.name(key),
            old: unusable,
            new: Some(token.as_bytes()),
            life: Some(life),
            ends: Some(&self.refresh_name(key)),
        };
        let millis = millis(life).to_string();
        let arguments = [unusable, token.as_bytes(), millis.as_bytes()];
        self.swap(swap, &script::DISPLACE, &arguments).await
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
        self.health.wrote_to(key, &set);
        read(set)
    }

    pub(crate) async fn extend(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        life: Duration,
    ) -> Result<bool, Error> {
        let swap = Swap {
            name: &self.place(key, lock),
            old: token.as_bytes(),
            new: Some(token.as_bytes()),
            life: Some(life),
            ends: None,
        };
        let millis = millis(life).to_string();
        let arguments = [token.as_bytes(), millis.as_bytes()];
        self.swap(swap, &script::EXTEND, &arguments).await
    }

    pub(crate) async fn fill(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        if lock == Lock::Refresh {
            return self.fill_refresh(key, token, &json, ttl).await;
        }
        let swap = Swap {
            name: &self.name(key),
            old: token.as_bytes(),
            new: Some(&json),
            life: ttl,
            ends: None,
        };
        let life = ttl.map_or(0, millis).to_string();
        let arguments = [token.as_bytes(), &json, life.as_bytes()];
        let filled = self.swap(swap, &script::FILL, &arguments).await;
        if self.is_unfenced() {
            // Found out since the lease was taken: like every later value, it is stored whatever
            // came in between.
            return self.set(key, json, ttl).await.map(|()| true);
        }
        filled
    }

    async fn fill_refresh(
        &self,
        key: &Key,
        token: &Token,
        json: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        let (name, refresh) = (self.name(key), self.refresh_name(key));
        let life = ttl.map_or(0, millis).to_string();
        let length = token.as_bytes().len().to_string();
        let arguments = [token.as_bytes(), json, life.as_bytes(), length.as_bytes()];
        let keys = [name.as_str(), &refresh];
        let by_script = self.run(&script::FILL_REFRESH, &keys, &arguments, None);
        if let Some(answer) = by_script.await? {
            return self.compared(answer);
        }
        let mut commands = Pipeline::new();
        commands.add_command(self.replace(&name, json, ttl));
        commands.cmd("UNLINK").arg(&refresh);
        let token = *token;
        let is_held = move |refresh: &Option<Vec<u8>>| {
            let stored = refresh.as_deref();
            stored == Some(token.as_bytes())
        };
        let is_value = |stored: &Vec<u8>| Token::read(stored).is_none();
        let exchange = Exchange {
            keys: vec![name, refresh],
            ends: None,
            holds: Box::new(move |seen| {
                is_held(&seen[1]) && seen[0].as_ref().is_some_and(is_value)
            }),
            commands,
            again: Again::Yes,
        };
        match self.exchange(exchange).await?.map_err(told)? {
            Outcome::Done => Ok(true),
            Outcome::Left(seen) => {
                if is_held(&seen[1]) {
                    self.release(key, Lock::Refresh, &token).await?;
                }
                Ok(false)
            }
            // SET with IFEQ compares one key: the old value stays.
            Outcome::Forbidden => Ok(false),
        }
    }

    /// Where that cannot be compared, it expires.
    pub(crate) async fn release(&self, key: &Key, lock: Lock, token: &Token) -> Result<(), Error> {
        let swap = Swap {
            name: &self.place(key, lock),
            old: token.as_bytes(),
            new: None,
            life: None,
            ends: None,
        };
        let arguments = [token.as_bytes()];
        let released = self.swap(swap, &script::RELEASE, &arguments);
        released.await.map(drop)
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
}
