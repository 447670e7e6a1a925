//! A connection, to one server or to all nodes of a cluster, and where it leads.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

#[cfg(feature = "cluster")]
use super::cluster::{Node, Nodes};

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::redis) enum Place {
    /// To the one that has all keys.
    Master,
    #[cfg(feature = "cluster")]
    Node(Node),
}

impl Place {
    pub(in crate::store::redis) fn is_node(&self) -> bool {
        !matches!(self, Self::Master)
    }
}

/// Where a node says that a key is instead, and whether it is on its way to there.
#[cfg_attr(
    not(feature = "cluster"),
    expect(unused_variables, reason = "one server has all keys")
)]
pub(in crate::store::redis) fn redirected(error: &RedisError) -> Option<(Place, bool)> {
    #[cfg(feature = "cluster")]
    if let Some((node, asks)) = Node::redirected(error) {
        return Some((Place::Node(node), asks));
    }
    None
}

/// A connection for the cache's own calls, with many commands in flight. Whoever waits for an answer
/// bounds the waiting: he knows better which time counts.
#[derive(Clone)]
pub(in crate::store::redis) enum Connection {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(Nodes),
}

impl Connection {
    /// One answer each.
    pub(in crate::store::redis) async fn send(
        &mut self,
        commands: &Pipeline,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Self::One(connection) => {
                let count = commands.len();
                let answers = connection.req_packed_commands(commands, 0, count).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect())
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(nodes) => nodes.send(commands).await,
        }
    }

    pub(in crate::store::redis) async fn send_one(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => {
                let answer = connection.send_packed_command(command).await;
                answer.and_then(Value::extract_error)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(nodes) => nodes.send_one(command).await,
        }
    }

    /// Where this key is.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(unused_variables, reason = "one server has all keys")
    )]
    pub(in crate::store::redis) fn place_of(&self, key: &str) -> RedisResult<Place> {
        match self {
            Self::One(_) => Ok(Place::Master),
            #[cfg(feature = "cluster")]
            Self::Cluster(nodes) => nodes.owner_of(key).map(Place::Node),
        }
    }

    pub(in crate::store::redis) fn ask_for_owners(&self) {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(nodes) = self {
            nodes.ask_for_owners();
        }
    }
}
