//! How a connection is made: one reading of the configuration feeds the pool and the lane.

use std::fmt;
use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
#[cfg(feature = "cluster")]
use redis::cluster::ClusterClient;
#[cfg(feature = "cluster")]
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind as Kind, IntoConnectionInfo,
    Pipeline, ProtocolVersion, RedisError, RedisResult, Value,
};

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
    Standalone(Client),
    #[cfg(feature = "cluster")]
    Cluster(Box<ClusterClient>),
}

impl Server {
    fn standalone(&self) -> Option<&Client> {
        match self {
            Self::Standalone(client) => Some(client),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => None,
        }
    }
}

/// A connection for the cache's own calls, with many commands in flight.
#[derive(Clone)]
pub(super) enum Connection {
    Standalone(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

impl Connection {
    /// One answer each.
    pub(super) async fn send(
        &mut self,
        commands: &Pipeline,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let count = commands.len();
        let answers = match self {
            Self::Standalone(connection) => connection.req_packed_commands(commands, 0, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_commands(commands, 0, count),
        };
        Ok(answers
            .await?
            .into_iter()
            .map(Value::extract_error)
            .collect())
    }

    /// The same connection, for one who bounds the waiting himself.
    pub(super) fn without_deadline(&self) -> Self {
        const LONG: Duration = Duration::from_secs(60);
        let mut patient = self.clone();
        match &mut patient {
            Self::Standalone(connection) => connection.set_response_timeout(LONG),
            // Its deadline is later than ours as it is.
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => {}
        }
        patient
    }

    pub(super) async fn send_one(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answer = match self {
            Self::Standalone(connection) => connection.send_packed_command(command).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        answer.and_then(Value::extract_error)
    }
}

impl Connector {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            server: server(config)?,
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
            pool_size: config.pool_size,
        })
    }

    /// The pool for the user's own commands, where there is one server to connect to. It connects
    /// when a connection is first taken from it, and no wait of it is without an end.
    pub(super) fn pool(&self) -> Result<Option<Pool>, Error> {
        let Some(client) = self.server.standalone() else {
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

    /// How long [`connect`](Self::connect) may take, which has no end of its own: whoever waits
    /// knows better which time counts.
    pub(super) fn connect_limit(&self) -> Duration {
        match &self.server {
            Server::Standalone(_) => self.connect_timeout,
            // It asks for the slots first, and connects to each node.
            #[cfg(feature = "cluster")]
            Server::Cluster(_) => 4 * self.connect_timeout,
        }
    }

    /// Whether keys are on several nodes, so that a command may name only those of one.
    pub(super) fn is_cluster(&self) -> bool {
        self.server.standalone().is_none()
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        match &self.server {
            Server::Standalone(client) => {
                let settings = self.settings().set_connection_timeout(None);
                let connection = client.get_multiplexed_async_connection_with_config(&settings);
                connection.await.map(Connection::Standalone)
            }
            #[cfg(feature = "cluster")]
            Server::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }

    /// Whether there is one server, whose pushes tell all that there is to tell.
    pub(super) fn can_push(&self) -> bool {
        self.server.standalone().is_some()
    }

    /// A connection of RESP3, on which the server can push.
    pub(super) async fn connect_for_pushes(
        &self,
        pushes: impl AsyncPushSender,
    ) -> RedisResult<Connection> {
        let Some(client) = self.server.standalone() else {
            return Err((Kind::InvalidClientConfig, "there is more than one server").into());
        };
        let info = client.get_connection_info().clone();
        let speaking = info.redis_settings().clone();
        let speaking = speaking.set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(speaking))?;
        let settings = self.settings().set_connection_timeout(None);
        let settings = settings.set_push_sender(pushes);
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        connection.await.map(Connection::Standalone)
    }

    /// A connection for threads that block while they wait, where there is one server.
    pub(super) fn connect_blocking(&self) -> Option<RedisResult<redis::Connection>> {
        let client = self.server.standalone()?;
        Some(self.with_deadlines(client.get_connection_with_timeout(self.connect_timeout)))
    }

    fn with_deadlines(
        &self,
        connected: RedisResult<redis::Connection>,
    ) -> RedisResult<redis::Connection> {
        let connection = connected?;
        connection.set_read_timeout(Some(self.response_timeout))?;
        connection.set_write_timeout(Some(self.response_timeout))?;
        Ok(connection)
    }

    fn settings(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
    }
}

fn server(config: &Config) -> Result<Server, Error> {
    let wrong = |text: String| Error::new(ErrorKind::Config, text);
    let url = config.url.as_str();
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(wrong(
            "the URL has no scheme; write `redis://host:port`, or `memory://` for no server".into(),
        ));
    };
    match scheme {
        "redis" | "redis+unix" | "unix" => Client::open(connection_info(url)?)
            .map(Server::Standalone)
            .map_err(not_a_server),
        "redis+cluster" => cluster(config, rest),
        "memory" => Err(wrong(
            "the in-memory store has no address; write `memory://`".into(),
        )),
        "rediss" | "redis+sentinel" => {
            Err(wrong(format!("this version does not speak `{scheme}://`")))
        }
        _ => Err(wrong(format!(
            "unknown scheme `{scheme}://`; known are `redis://`, `redis+unix://`, \
             `redis+cluster://` and `memory://`"
        ))),
    }
}

#[cfg(not(feature = "cluster"))]
fn cluster(_config: &Config, _nodes: &str) -> Result<Server, Error> {
    Err(Error::new(
        ErrorKind::Config,
        "`redis+cluster://` needs the feature `cluster` of cache-runtime",
    ))
}

/// `user:password@host:port,host:port`: any nodes of the cluster, the others are found by them.
///
/// The client sends again what it thinks lost, which must not happen to a command with a fresh
/// token: so its own deadline is later than the one after which nobody waits for an answer.
#[cfg(feature = "cluster")]
fn cluster(config: &Config, nodes: &str) -> Result<Server, Error> {
    let (login, nodes) = match nodes.rsplit_once('@') {
        Some((login, nodes)) => (format!("{login}@"), nodes),
        None => (String::new(), nodes),
    };
    let nodes: Result<Vec<_>, Error> = nodes
        .split(',')
        .map(|node| connection_info(&format!("redis://{login}{node}")))
        .collect();
    let late = 2 * (config.connect_timeout + config.response_timeout);
    ClusterClient::builder(nodes?)
        .connection_timeout(config.connect_timeout)
        .response_timeout(late)
        .overall_response_timeout(Some(late))
        .tcp_settings(TcpSettings::default().set_nodelay(true))
        .build()
        .map(|client| Server::Cluster(Box::new(client)))
        .map_err(not_a_server)
}

fn not_a_server(cause: RedisError) -> Error {
    Error::new(ErrorKind::Config, "the URL does not name a Redis server").because(cause)
}

fn connection_info(url: &str) -> Result<ConnectionInfo, Error> {
    // The cause may quote parts of the URL, where passwords are.
    let info = url.into_connection_info().map_err(|_| {
        Error::new(
            ErrorKind::Config,
            "the URL is malformed; write `redis://user:password@host:port/db`",
        )
    })?;
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standalone(_) => "Standalone",
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => "Cluster",
        })
    }
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
            "redis+cluster://user:pa55word@cache.example:port",
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
        let config = Config::new("redis://user:pa55word@cache.example");
        let connector = Connector::new(&config).unwrap();
        assert!(!format!("{connector:?} {:?}", connector.pool()).contains("pa55word"));
    }
}
