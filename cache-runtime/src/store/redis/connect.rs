//! How a connection is made: one reading of the configuration feeds the pool and the lane.

use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, RedisError};

use crate::config::Config;
use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct Connector {
    client: Client,
    connect_timeout: Duration,
    response_timeout: Duration,
    pool_size: usize,
}

impl Connector {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let info = connection_info(&config.url)?;
        let client = Client::open(info).map_err(|cause| {
            Error::new(ErrorKind::Config, "the URL does not name a Redis server").because(cause)
        })?;
        Ok(Self {
            client,
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
            pool_size: config.pool_size,
        })
    }

    /// The pool for the user's own commands. It connects when a connection is first taken from it,
    /// and no wait of it is without an end.
    pub(super) fn pool(&self) -> Result<Pool, Error> {
        let info = self.client.get_connection_info().clone();
        let wrong = |cause: RedisError| {
            Error::new(ErrorKind::Config, "the connection pool cannot be set up").because(cause)
        };
        let manager = Manager::new_with_config(info, self.settings()).map_err(wrong)?;
        Pool::builder(manager)
            .max_size(self.pool_size)
            .wait_timeout(Some(self.connect_timeout + self.response_timeout))
            .create_timeout(Some(self.connect_timeout + self.response_timeout))
            .recycle_timeout(Some(self.response_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|cause| {
                Error::new(ErrorKind::Config, "the connection pool cannot be set up").because(cause)
            })
    }

    /// A connection for the cache's own calls.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        self.client
            .get_multiplexed_async_connection_with_config(&self.settings())
            .await
    }

    fn settings(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo, Error> {
    let wrong = |text: String| Error::new(ErrorKind::Config, text);
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(wrong(
            "the URL has no scheme; write `redis://host:port`, or `memory://` for no server".into(),
        ));
    };
    match scheme {
        "redis" | "redis+unix" | "unix" => {}
        "memory" => {
            return Err(wrong(
                "the in-memory store has no address; write `memory://`".into(),
            ));
        }
        "rediss" | "redis+cluster" | "redis+sentinel" => {
            return Err(wrong(format!("this build does not speak `{scheme}://`")));
        }
        _ => {
            return Err(wrong(format!(
                "unknown scheme `{scheme}://`; known are `redis://`, `redis+unix://` and `memory://`"
            )));
        }
    }
    // The cause may quote parts of the URL, where passwords are.
    let info = url.into_connection_info().map_err(|_| {
        wrong("the URL is malformed; write `redis://user:password@host:port/db`".into())
    })?;
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_right_is_told_without_its_password() {
        for url in [
            "cache.example:6379",
            "http://user:pa55word@cache.example",
            "redis://user:pa55word@cache.example:port",
            "redis://user:pa55word@cache.example/not-a-db",
            "rediss://user:pa55word@cache.example",
            "redis+cluster://user:pa55word@cache.example",
            "memory://pa55word",
        ] {
            let error = connection_info(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("pa55word"), "{shown}");
        }
    }

    #[test]
    fn setting_up_the_pool_reaches_for_no_server() {
        let connector = Connector::new(&Config::new("redis://127.0.0.1:1")).unwrap();
        assert_eq!(connector.pool().unwrap().status().size, 0);
    }

    #[test]
    fn debug_shows_no_password() {
        let config = Config::new("redis://user:pa55word@cache.example");
        let connector = Connector::new(&config).unwrap();
        assert!(!format!("{connector:?} {:?}", connector.pool()).contains("pa55word"));
    }
}
