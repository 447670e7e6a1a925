//! The nodes of a cluster, as one connection.
//!
//! redis-rs would send again what it thinks lost, which must not happen to a command with a fresh
//! token, and all of a pipeline where one command of it was redirected, which would take a lease on
//! two nodes while a slot moves. So it is told to send nothing again, and redirections are followed
//! here, command by command: whoever redirects has run nothing.
//!
//! Nor does it look for the successor of a node that is silent: [`topology`] does. Meanwhile the
//! connection is used: to the other nodes it is as good as before.

mod node;
mod topology;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::ConnectionLike;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::SingleNodeRoutingInfo;
use redis::io::tcp::TcpSettings;
use redis::{
    Arg, Client, Cmd, ConnectionInfo, ErrorKind as Kind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};

pub(in crate::store::redis) use self::node::Node;
use self::node::slot;
use self::topology::{Doubted, Topology, of_any};
use super::super::failure::is_of_one_node;
use super::tls::Tls;
use crate::config::Config;
use crate::error::{Error, ErrorKind};

#[derive(Clone)]
pub(super) struct Cluster {
    client: Arc<ClusterClient>,
    /// The first that the URL names: the others are connected to as it is.
    first: Option<ConnectionInfo>,
    connect_limit: Duration,
    response_timeout: Duration,
    doubted: Arc<Doubted>,
}

impl Cluster {
    pub(super) fn new(nodes: Vec<ConnectionInfo>, config: &Config) -> Result<Self, Error> {
        let tls = Tls(config);
        tls.check_for_found()?;
        let nodes: Result<Vec<_>, Error> = nodes.into_iter().map(|node| tls.with(node)).collect();
        let nodes = nodes?;
        let tcp = TcpSettings::default().set_nodelay(true);
        let first = nodes.first().cloned();
        let first = first.map(|first| first.set_tcp_settings(tcp.clone()));
        let client = ClusterClient::builder(nodes)
            .retries(0)
            .connection_timeout(config.connect_timeout)
            // Whoever waits here has a shorter deadline.
            .response_timeout(config.connect_timeout + config.response_timeout)
            .tcp_settings(tcp);
        #[cfg(feature = "tls-rustls")]
        let client = match tls.certificates() {
            Some(certificates) => client.certs(certificates),
            None => client,
        };
        let client = client.build().map_err(|cause| {
            Error::new(
                ErrorKind::Config,
                "the URL does not name the nodes of a cluster",
            )
            .because(cause)
        })?;
        Ok(Self {
            client: Arc::new(client),
            first,
            connect_limit: CONNECT_STEPS * config.connect_timeout,
            response_timeout: config.response_timeout,
            doubted: Arc::default(),
        })
    }

    /// How long connecting may take.
    pub(super) fn connect_limit(&self) -> Duration {
        self.connect_limit
    }

    pub(super) async fn connect(&self) -> RedisResult<Nodes> {
        let connection = self.client.get_async_connection().await?;
        let topology = Topology::new(self, connection.clone()).await?;
        Ok(Nodes {
            connection,
            topology: Arc::new(topology),
            response_timeout: self.response_timeout,
        })
    }

    /// For one node alone.
    pub(super) fn client_of(&self, node: &Node) -> RedisResult<Client> {
        let first = self.first.clone().ok_or_else(a_node_is_away)?;
        let address = node.address(first.addr());
        Client::open(first.set_addr(address))
    }
}

/// To the nodes that the URL names, to one of them for the others, to those, and once more for who
/// has which slots.
const CONNECT_STEPS: u32 = 4;

#[derive(Clone)]
pub(in crate::store::redis) struct Nodes {
    connection: ClusterConnection,
    topology: Arc<Topology>,
    response_timeout: Duration,
}

impl Nodes {
    /// One answer each.
    pub(in crate::store::redis) async fn send(
        &mut self,
        commands: &Pipeline,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        // All are of one node.
        let key = commands.cmd_iter().next().and_then(key_of);
        self.begin(key)?;
        let (limit, topology) = (self.response_timeout, self.topology.clone());
        let waiting = Waiting::new(&topology, key, limit);
        let answers = within(limit, self.send_in_turn(commands)).await;
        waiting.end(&answers);
        answers
    }

    /// On the connection as it is now.
    fn begin(&mut self, key: Option<&[u8]>) -> RedisResult<()> {
        self.connection = self.topology.connection();
        key.map_or(Ok(()), |key| self.topology.check(key))
    }

    async fn send_in_turn(&mut self, commands: &Pipeline) -> RedisResult<Vec<RedisResult<Value>>> {
        if commands.cmd_iter().all(only_reads) {
            let count = commands.len();
            let sending = self.connection.req_packed_commands(commands, 0, count);
            match sending.await {
                Err(error) if is_redirection(&error) => {}
                answers => {
                    let answers = answers.map_err(of_one_node)?;
                    let answer = |answer: Value| answer.extract_error().map_err(of_one_node);
                    return Ok(answers.into_iter().map(answer).collect());
                }
            }
        }
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands.cmd_iter() {
            let answer = self.follow(command).await;
            match answer {
                Err(error) if !is_answer(&error) => return Err(error),
                answer => answers.push(answer),
            }
        }
        Ok(answers)
    }

    pub(in crate::store::redis) async fn send_one(&mut self, command: &Cmd) -> RedisResult<Value> {
        let key = key_of(command);
        self.begin(key)?;
        let (limit, topology) = (self.response_timeout, self.topology.clone());
        let waiting = Waiting::new(&topology, key, limit);
        let answer = within(limit, self.follow(command)).await;
        waiting.end(&answer);
        answer
    }

    /// The node that has this key, by the latest look, unless it is silent.
    pub(super) fn owner_of(&self, key: &str) -> RedisResult<Node> {
        self.topology.check(key.as_bytes())?;
        self.topology.owner_of(slot(key.as_bytes()))
    }

    pub(super) fn ask_for_owners(&self) {
        self.topology.look();
    }

    /// Sends a command to the node that has its key.
    async fn follow(&mut self, command: &Cmd) -> RedisResult<Value> {
        // The slot has a new owner, and is on its way to yet another.
        const MOST_REDIRECTIONS: usize = 2;
        if is_ping(command) {
            return of_any(&self.connection, command).await;
        }
        let mut answer = self.connection.req_packed_command(command).await;
        for _ in 0..MOST_REDIRECTIONS {
            answer = match answer.and_then(Value::extract_error) {
                // The client asks for the new owners of all slots before it sends anything else.
                Err(error) if error.kind() == Kind::Server(ServerErrorKind::Moved) => {
                    self.connection.req_packed_command(command).await
                }
                Err(error) if error.kind() == Kind::Server(ServerErrorKind::Ask) => {
                    self.ask(&error, command).await
                }
                answer => return answer.map_err(of_one_node),
            };
        }
        answer.and_then(Value::extract_error).map_err(of_one_node)
    }

    /// Sends a command to the node that its slot is on its way to. ASKING is of the next command
    /// on the connection, so they go together.
    async fn ask(&mut self, redirection: &RedisError, command: &Cmd) -> RedisResult<Value> {
        let Some((Node { host, port }, _)) = Node::redirected(redirection) else {
            return Err(a_node_is_away());
        };
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("ASKING");
        commands.add_command(command.clone());
        let to = SingleNodeRoutingInfo::ByAddress { host, port };
        let mut answers = self.connection.route_pipeline(commands, 1, 1, to).await?;
        answers.pop().ok_or_else(a_node_is_away)
    }
}

/// A command on its way. One that is left after a good part of the limit was waited for in vain, too: its
/// caller had a little less time.
struct Waiting<'a> {
    topology: &'a Arc<Topology>,
    key: Option<&'a [u8]>,
    is_long_at: Instant,
    is_answered: bool,
}

impl<'a> Waiting<'a> {
    fn new(topology: &'a Arc<Topology>, key: Option<&'a [u8]>, limit: Duration) -> Self {
        Self {
            topology,
            key,
            is_long_at: Instant::now() + limit / 2,
            is_answered: false,
        }
    }

    fn end<T>(mut self, answer: &RedisResult<T>) {
        self.is_answered = !answer.as_ref().is_err_and(RedisError::is_timeout);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.key {
            Some(key) if !self.is_answered && Instant::now() >= self.is_long_at => {
                self.topology.doubt(key);
            }
            _ => {}
        }
    }
}

/// The first one; of a script it stands behind how many there are.
fn key_of(command: &Cmd) -> Option<&[u8]> {
    let mut arguments = command.args_iter();
    let at = match arguments.next()? {
        Arg::Simple(b"EVALSHA" | b"EVAL") => 2,
        _ => 0,
    };
    match arguments.nth(at)? {
        Arg::Simple(key) => Some(key),
        _ => None,
    }
}

/// It is of no key. The client would ask all nodes, and wait for each.
fn is_ping(command: &Cmd) -> bool {
    matches!(command.args_iter().next(), Some(Arg::Simple(b"PING")))
}

/// Sent twice, they do no harm.
fn only_reads(command: &Cmd) -> bool {
    let name = command.args_iter().next();
    matches!(name, Some(Arg::Simple(b"GET" | b"MGET" | b"PTTL")))
}

fn is_redirection(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        Kind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask)
    )
}

/// Whether a node said so itself.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), Kind::Server(_) | Kind::Extension)
}

/// One node is gone, can do nothing just now, or does not know who has the slot: the connection to the
/// others is as good as before, and the client looks for that one by itself.
fn of_one_node(error: RedisError) -> RedisError {
    let is_lost = error.kind() == Kind::Io && !error.is_timeout();
    if is_lost || is_redirection(&error) || is_of_one_node(&error) {
        return a_node_is_away();
    }
    error
}

fn a_node_is_away() -> RedisError {
    // To be tried again; CLUSTERDOWN would be said of all of them.
    let kind = Kind::Server(ServerErrorKind::TryAgain);
    (kind, "a node of the cluster is away").into()
}

/// What it comes to, unless it takes longer.
async fn within<T>(
    limit: Duration,
    asking: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = |_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
    tokio::time::timeout(limit, asking)
        .await
        .unwrap_or_else(late)
}
