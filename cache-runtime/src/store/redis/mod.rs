//! The store on a Redis server: each verb as the commands that it sends.

mod connect;
mod lane;

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, cmd};
use deadpool_redis::Pool;

use self::connect::Connector;
use self::lane::Lane;
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::key::Key;

#[derive(Debug)]
pub(crate) struct Redis {
    prefix: String,
    /// Bounds a whole verb, connecting included.
    limit: Duration,
    pool: Pool,
    lane: Arc<Lane>,
}

impl Redis {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let connector = Connector::new(config)?;
        Ok(Self {
            prefix: config.prefix.clone(),
            limit: config.connect_timeout + config.response_timeout,
            pool: connector.pool()?,
            lane: Arc::new(Lane::new(connector)),
        })
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let found = self.get_many(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// By [MGET](https://redis.io/docs/latest/commands/mget/) even for one key: under a key of
    /// another type it finds nothing, where GET is an error.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = cmd("MGET");
        for key in keys {
            command.arg(self.name(key));
        }
        self.ask(command).await
    }

    /// By [SETEX](https://redis.io/docs/latest/commands/setex/), its PSETEX where the time is no
    /// whole number of seconds, or [SET](https://redis.io/docs/latest/commands/set/). Each
    /// replaces a value of any type.
    pub(crate) async fn fill(
        &self,
        key: &Key,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<(), Error> {
        let mut command;
        match ttl {
            None => {
                command = cmd("SET");
                command.arg(self.name(key));
            }
            Some(ttl) if ttl.subsec_nanos() == 0 => {
                command = cmd("SETEX");
                command.arg(self.name(key)).arg(ttl.as_secs());
            }
            Some(ttl) => {
                let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
                command = cmd("PSETEX");
                command.arg(self.name(key)).arg(millis);
            }
        }
        command.arg(value);
        self.ask(command).await
    }

    /// By [UNLINK](https://redis.io/docs/latest/commands/unlink/), which frees the memory of a
    /// large value on another thread of the server.
    pub(crate) async fn remove(&self, key: &Key) -> Result<bool, Error> {
        let mut command = cmd("UNLINK");
        command.arg(self.name(key));
        self.ask(command).await
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.ask(cmd("PING")).await
    }

    /// Ends the connections; what is asked later is refused.
    pub(crate) async fn close(&self) {
        self.lane.close().await;
        self.pool.close();
    }

    fn name(&self, key: &Key) -> String {
        key.on_server(&self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, Error> {
        let lane = self.lane.clone();
        let asking = async move { lane.send(&command).await };
        let answer = exec::on_io(self.limit, asking).await?.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Timeout,
                "redis did not answer in time",
            ))
        })?;
        // The error of a failed conversion quotes the value, so it is not kept.
        T::from_redis_value(answer).map_err(|_| {
            Error::new(
                ErrorKind::Refused,
                "redis answered with something that does not fit the command",
            )
        })
    }
}
