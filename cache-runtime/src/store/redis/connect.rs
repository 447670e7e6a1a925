//! How a connection is made: one reading of the configuration feeds the pool and the lane.

mod address;
mod blocking;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod login;
#[cfg(feature = "sentinel")]
mod sentinel;
mod single;
mod tls;

use std::fmt;
use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::AsyncPushSender;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ProtocolVersion, RedisError, RedisResult,
};

use self::address::Address;
pub(super) use self::blocking::Blocking;
#[cfg(feature = "cluster")]
use self::cluster::Cluster;
pub(super) use self::connection::{Connection, Place, redirected};
#[cfg(feature = "sentinel")]
use self::sentinel::Sentinels;
pub(super) use self::single::Single;
use self::tls::Tls;
use crate::config::Config;
use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct Connector {
    server: Server,
    connect_timeout: Duration,
    response_timeout: Duration,
    pool_size: usize,
}

/// What connections are made to.
enum Server {
    One(Box<Client>),
    #[cfg(feature = "sentinel")]
    Sentinels(Box<Sentinels>),
    #[cfg(feature = "cluster")]
    Cluster(Box<Cluster>),
}

impl Server {
    fn new(config: &Config) -> Result<Self, Error> {
        Ok(match address::read(&config.url)? {
            Address::One(info) => {
                let client = Client::open(Tls(config).with(*info)?).map_err(not_a_server)?;
                Self::One(Box::new(client))
            }
            #[cfg(feature = "sentinel")]
            Address::Sentinels(watched) => {
                Self::Sentinels(Box::new(Sentinels::new(*watched, config)?))
            }
            #[cfg(feature = "cluster")]
            Address::Cluster(nodes) => Self::Cluster(Box::new(Cluster::new(nodes, config)?)),
        })
    }

    fn one(&self) -> Option<&Client> {
        match self {
            Self::One(client) => Some(client),
            #[cfg(feature = "sentinel")]
            Self::Sentinels(_) => None,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => None,
        }
    }

    /// The one that has all keys, as it is now.
    async fn master(&self) -> RedisResult<Client> {
        match self {
            Self::One(client) => Ok(client.as_ref().clone()),
            #[cfg(feature = "sentinel")]
            Self::Sentinels(sentinels) => sentinels.master().await,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => {
                let kind = redis::ErrorKind::InvalidClientConfig;
                Err((kind, "a cluster has more than one").into())
            }
        }
    }
}

impl Connector {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            server: Server::new(config)?,
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
            pool_size: config.pool_size,
        })
    }

    /// The pool for the user's own commands, where there is one server to connect to: a pool of
    /// connections to a cluster is of another type, and one that asks sentinels as well. It
    /// connects when a connection is first taken from it, and no wait of it is without an end.
    pub(super) fn pool(&self) -> Result<Option<Pool>, Error> {
        let Some(client) = self.server.one() else {
            return Ok(None);
        };
        let info = client.get_connection_info().clone();
        let manager = Manager::new_with_config(info, self.settings()).map_err(not_a_server)?;
        let pool = Pool::builder(manager)
            .max_size(self.pool_size)
            .wait_timeout(Some(self.connect_timeout + self.response_timeout))
            .create_timeout(Some(self.connect_timeout + self.response_timeout))
            .recycle_timeout(Some(self.response_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|cause| {
                Error::new(ErrorKind::Config, "the connection pool cannot be set up").because(cause)
            })?;
        Ok(Some(pool))
    }

    pub(super) fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// How long connecting to one server may take.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// How long [`connect`](Self::connect) may take, which has no end of its own either.
    pub(super) fn connect_limit(&self) -> Duration {
        match &self.server {
            Server::One(_) => self.connect_timeout,
            #[cfg(feature = "sentinel")]
            Server::Sentinels(_) => self.connect_timeout,
            #[cfg(feature = "cluster")]
            Server::Cluster(cluster) => cluster.connect_limit(),
        }
    }

    /// Where the server is, if there is one, without a login.
    pub(super) fn place(&self) -> Option<&ConnectionAddr> {
        let client = self.server.one()?;
        Some(client.get_connection_info().addr())
    }

    /// Whether keys are on several nodes, so that a command may name only those of one.
    pub(super) fn is_cluster(&self) -> bool {
        match self.server {
            #[cfg(feature = "cluster")]
            Server::Cluster(_) => true,
            _ => false,
        }
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        #[cfg(feature = "cluster")]
        if let Server::Cluster(cluster) = &self.server {
            return cluster.connect().await.map(Connection::Cluster);
        }
        self.connect_alone(&Place::Master).await
    }

    /// One connection to one server.
    pub(super) async fn connect_alone(&self, place: &Place) -> RedisResult<Connection> {
        let client = match (place, &self.server) {
            #[cfg(feature = "cluster")]
            (Place::Node(node), Server::Cluster(cluster)) => cluster.client_of(node)?,
            _ => self.server.master().await?,
        };
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        connection.await.map(Connection::One)
    }

    /// Whether all keys are on one server, whose pushes tell all that there is to tell.
    pub(super) fn can_push(&self) -> bool {
        !self.is_cluster()
    }

    /// A connection of RESP3, on which the server can push.
    pub(super) async fn connect_for_pushes(
        &self,
        pushes: impl AsyncPushSender,
    ) -> RedisResult<Connection> {
        let client = self.server.master().await?;
        let info = client.get_connection_info().clone();
        let speaking = info.redis_settings().clone();
        let speaking = speaking.set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(speaking))?;
        let settings = self.settings().set_connection_timeout(None);
        let settings = settings.set_push_sender(pushes);
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        connection.await.map(Connection::One)
    }

    /// A connection for threads that block while they wait, where there is one server.
    pub(super) fn connect_blocking(&self) -> Option<RedisResult<Blocking>> {
        let client = self.server.one()?;
        let (to_connect, to_answer) = (self.connect_timeout, self.response_timeout);
        Some(Blocking::connect(client, to_connect, to_answer))
    }

    /// A connection for one caller at a time, where there is one server and no TLS. It has no end of its own.
    pub(super) async fn connect_single(&self) -> Option<RedisResult<Single>> {
        Single::connect(self.server.one()?.get_connection_info()).await
    }

    fn settings(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
    }
}

fn not_a_server(cause: RedisError) -> Error {
    Error::new(ErrorKind::Config, "the URL does not name a Redis server").because(cause)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One",
            #[cfg(feature = "sentinel")]
            Self::Sentinels(_) => "Sentinels",
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => "Cluster",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::changed;

    #[test]
    fn a_url_that_cannot_be_right_is_told_without_its_password() {
        for url in [
            "cache.example:6379",
            "http://user:pa55word@cache.example",
            "redis://user:pa55word@cache.example:port",
            "redis://user:pa55word@cache.example/not-a-db",
            "rediss://user:pa55word@cache.example:port",
            "rediss://user:pa55word@cache.example/#insecure",
            "redis+cluster://user:pa55word@cache.example:port",
            "rediss+cluster://user:pa55word@cache.example:port",
            "redis+sentinel://user:pa55word@cache.example",
            "redis+sentinel://cache.example:port/main?sentinel_password=pa55word",
            "rediss+sentinel://pa55word:pa55word@cache.example:port/main",
            "memory://pa55word",
        ] {
            let error = Connector::new(&Config::new(url)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("pa55word"), "{shown}");
        }
    }

    #[test]
    fn setting_up_the_pool_reaches_for_no_server() {
        let connector = Connector::new(&Config::new("redis://127.0.0.1:1")).unwrap();
        assert_eq!(connector.pool().unwrap().unwrap().status().size, 0);
    }

    #[test]
    fn debug_shows_no_password() {
        for url in [
            "redis://user:pa55word@cache.example",
            "rediss://user:pa55word@cache.example",
            "redis+cluster://user:pa55word@cache.example",
            "redis+sentinel://user:pa55word@cache.example/main?sentinel_password=pa55word",
        ] {
            let shown = match Connector::new(&Config::new(url)) {
                Ok(connector) => format!("{connector:?} {:?}", connector.pool()),
                // Its feature is off.
                Err(error) => format!("{error:?}"),
            };
            assert!(!shown.contains("pa55word"), "{shown}");
        }
    }

    #[test]
    fn fuzzed_urls_are_accepted_or_refused_and_tell_no_password() {
        const CORPUS: &[&str] = &[
            "redis://user:pa55word@cache.example:6379/2?protocol=resp3",
            "rediss://:pa55word@[::1]:6379",
            "redis+unix:///run/redis.sock?db=1&user=app&pass=pa55word",
            "redis+cluster://user:pa55word@one:1,two:2,[::1]:3",
            "rediss+sentinel://user:pa55word@one,two:2/main/1?sentinel_password=pa55word",
            "memory://",
            "user:pa55word@redis://cache.example",
        ];
        let [cases, accepted] = [AtomicU64::new(0), AtomicU64::new(0)];
        proptest!(|(url in changed(CORPUS))| {
            cases.fetch_add(1, Relaxed);
            let url = String::from_utf8_lossy(&url).into_owned();
            let config = Config::new(&url);
            let shown = match config.check().and_then(|()| Connector::new(&config)) {
                Ok(connector) => {
                    accepted.fetch_add(1, Relaxed);
                    format!("{connector:?}")
                }
                Err(error) => format!("{error} {error:?}"),
            };
            let is_scheme = url.split_once("://").is_some_and(|(scheme, _)| {
                scheme.contains("pa55word") && !scheme.contains([':', '@'])
            });
            prop_assert!(is_scheme || !shown.contains("pa55word"), "{} {}", url, shown);
            let place = url.split_once('?').map_or(url.as_str(), |(place, _)| place);
            if let Some((login, place)) = place.rsplit_once('@') {
                let is_secret = login.contains("pa55word") && !place.contains("pa55word");
                let shown = format!("{config:?}");
                prop_assert!(is_scheme || !is_secret || !shown.contains("pa55word"), "{}", shown);
            }
        });
        println!("URLs: {cases:?} cases, {accepted:?} accepted, none panicked");
    }
}
