//! Who has which slots, by the latest look, and which nodes are silent.
//!
//! Whoever waits for a node in vain has it looked at behind his back. If another has its slots by now, or
//! it answers a new connection and not this one, the connection is made anew. If it answers neither while
//! others do, it is known as silent, to all connections to this cluster, and until it answers nobody sends
//! it anything. If nobody answers, that is no matter of one node, and found out by the lanes.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind as Kind, FromRedisValue, RedisResult, Value,
    aio::ConnectionLike, cmd,
};
use tokio::runtime::Handle;

use super::super::super::patience::patiently;
use super::node::{Node, slot};
use super::{Cluster, a_node_is_away, within};

/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Topology {
    cluster: Cluster,
    current: Mutex<(ClusterConnection, Owners)>,
    is_looking: AtomicBool,
}

/// The last slot of each range, with its first one and the master that has them.
type Owners = BTreeMap<u16, (u16, Node)>;

/// Nodes that somebody waited for in vain, and whether they are known to be silent.
#[derive(Default)]
pub(super) struct Doubted {
    nodes: Mutex<Vec<(Node, bool)>>,
    are_some_silent: AtomicBool,
}

impl Doubted {
    /// Whether nobody looks after it yet.
    fn begin(&self, node: &Node) -> bool {
        let mut nodes = self.nodes();
        let is_new = nodes.iter().all(|(of, _)| of != node);
        if is_new {
            nodes.push((node.clone(), false));
        }
        is_new
    }

    fn is_silent(&self, node: &Node) -> bool {
        self.nodes()
            .iter()
            .any(|(of, silent)| *silent && of == node)
    }

    fn found(&self, node: &Node, is_silent: bool) {
        let mut nodes = self.nodes();
        for (_, silent) in nodes.iter_mut().filter(|(of, _)| of == node) {
            *silent = is_silent;
        }
        self.count(&nodes);
    }

    fn end(&self, node: &Node) {
        let mut nodes = self.nodes();
        nodes.retain(|(of, _)| of != node);
        self.count(&nodes);
    }

    /// Asked for each command, so that nothing is locked while all is well.
    fn count(&self, nodes: &[(Node, bool)]) {
        let some = nodes.iter().any(|(_, silent)| *silent);
        self.are_some_silent.store(some, Ordering::Relaxed);
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<(Node, bool)>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look under way. However it ends, as with its runtime, the next one can begin.
struct Looking {
    doubted: Arc<Doubted>,
    node: Node,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.doubted.end(&self.node);
    }
}

impl Topology {
    pub(super) async fn new(cluster: &Cluster, connection: ClusterConnection) -> RedisResult<Self> {
        let owners = owners(&connection).await?;
        Ok(Self {
            cluster: cluster.clone(),
            current: Mutex::new((connection, owners)),
            is_looking: AtomicBool::new(false),
        })
    }

    pub(super) fn connection(&self) -> ClusterConnection {
        self.current().0.clone()
    }

    /// An error if the node that has this key is silent.
    pub(super) fn check(&self, key: &[u8]) -> RedisResult<()> {
        let doubted = &self.cluster.doubted;
        if doubted.are_some_silent.load(Ordering::Relaxed)
            && doubted.is_silent(&self.owner_of(slot(key))?)
        {
            return Err(a_node_is_away());
        }
        Ok(())
    }

    pub(super) fn owner_of(&self, slot: u16) -> RedisResult<Node> {
        let (_, owners) = &*self.current();
        let range = owners.range(slot..).next();
        let owner = range.filter(|(_, (first, _))| *first <= slot);
        owner
            .map(|(_, (_, node))| node.clone())
            .ok_or_else(a_node_is_away)
    }

    /// Asks in the background whether somebody else has the slots of a node that is silent.
    pub(super) fn look(self: &Arc<Self>) {
        if self.is_looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let topology = self.clone();
        tokio::spawn(async move {
            // Whoever waits in vain next has them asked again.
            if let Ok(owners) = topology.ask().await {
                let _ = topology.renew_unless(&owners).await;
            }
            tokio::time::sleep(PAUSE).await;
            topology.is_looking.store(false, Ordering::Release);
        });
    }

    /// Somebody waited in vain for the node that has this key.
    pub(super) fn doubt(self: &Arc<Self>, key: &[u8]) {
        // A caller may be dropped where nothing can be looked at.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let slot = slot(key);
        let Ok(node) = self.owner_of(slot) else {
            return self.look();
        };
        let doubted = &self.cluster.doubted;
        if !doubted.begin(&node) {
            return;
        }
        let looking = Looking {
            doubted: doubted.clone(),
            node,
        };
        runtime.spawn(look_after(Arc::downgrade(self), looking, slot));
    }

    /// Whether nobody needs to be kept from this node, which has this slot.
    async fn is_over(&self, node: &Node, slot: u16) -> bool {
        let Ok(owners) = self.ask().await else {
            return true;
        };
        if self.renew_unless(&owners).await.is_ok()
            && !owners.values().any(|(_, owner)| owner == node)
        {
            return true;
        }
        let (cluster, of_its_own) = (self.cluster.clone(), node.clone());
        let reaching = tokio::spawn(async move { cluster.reaches(&of_its_own).await });
        if self.answers(slot).await {
            reaching.abort();
            return true;
        }
        if !reaching.await.unwrap_or(false) {
            self.cluster.doubted.found(node, true);
            return false;
        }
        // It may be this connection that is swallowed.
        self.answers(slot).await || self.renew().await.is_ok()
    }

    /// Whether the node that has this slot does, on the connection as it is.
    async fn answers(&self, slot: u16) -> bool {
        let mut connection = self.connection();
        let route = Route::new(slot, SlotAddr::Master);
        let node = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
        let asking = connection.route_command(cmd("PING"), node);
        let answer = patiently(self.cluster.response_timeout, asking).await;
        answer.is_some_and(|answer| !answer.is_err_and(|error| error.is_timeout()))
    }

    async fn ask(&self) -> RedisResult<Owners> {
        let connection = self.connection();
        within(self.cluster.response_timeout, owners(&connection)).await
    }

    async fn renew_unless(&self, owners: &Owners) -> RedisResult<()> {
        if self.current().1 == *owners {
            return Ok(());
        }
        self.renew().await
    }

    async fn renew(&self) -> RedisResult<()> {
        let renewed = within(self.cluster.connect_limit, async {
            let connection = self.cluster.client.get_async_connection().await?;
            let owners = owners(&connection).await?;
            Ok((connection, owners))
        });
        *self.current() = renewed.await?;
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, (ClusterConnection, Owners)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// Whether a node answers on a connection of its own.
    async fn reaches(&self, node: &Node) -> bool {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let reaching = async {
            let client = self.client_of(node)?;
            let connecting = client.get_multiplexed_async_connection_with_config(&settings);
            connecting.await?.req_packed_command(&cmd("PING")).await
        };
        patiently(self.response_timeout, reaching)
            .await
            .is_some_and(|answer| answer.is_ok())
    }
}

/// Until it answers, or others have its slots. Then it is waited for, and for a while not looked at again.
async fn look_after(topology: Weak<Topology>, looking: Looking, slot: u16) {
    let mut is_over = false;
    while !is_over {
        let Some(topology) = topology.upgrade() else {
            return;
        };
        is_over = topology.is_over(&looking.node, slot).await;
        if is_over {
            looking.doubted.found(&looking.node, false);
        }
        drop(topology);
        tokio::time::sleep(PAUSE).await;
    }
}

/// What any of the nodes says.
async fn owners(connection: &ClusterConnection) -> RedisResult<Owners> {
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let Value::Array(ranges) = of_any(connection, &slots).await? else {
        return Err((Kind::UnexpectedReturnType, "CLUSTER SLOTS is no list").into());
    };
    Ok(ranges.iter().filter_map(range).collect())
}

/// What the first node says that does not say that it can do nothing: one of them may be silent.
///
/// Each is asked by a command of its own, for a slot that it may have. The client's way to ask all
/// sends nothing until something else wakes it, which does not come where nobody else is answered.
pub(super) async fn of_any(connection: &ClusterConnection, command: &Cmd) -> RedisResult<Value> {
    const ASKED: u16 = 8;
    const SLOTS: u16 = 1 << 14;
    let asking = (0..ASKED).map(|of| {
        let (mut connection, command) = (connection.clone(), command.clone());
        let route = Route::new(of * (SLOTS / ASKED), SlotAddr::Master);
        let node = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
        Box::pin(async move {
            let told = connection.route_command(command, node).await;
            told.and_then(Value::extract_error)
        })
    });
    first(asking.collect()).await
}

/// The first success, or the last error.
async fn first<T>(
    mut asking: Vec<Pin<Box<impl Future<Output = RedisResult<T>>>>>,
) -> RedisResult<T> {
    poll_fn(|context| {
        let mut told = None;
        asking.retain_mut(|asking| match asking.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                if !matches!(told, Some(Ok(_))) {
                    told = Some(answer);
                }
                false
            }
        });
        match told {
            Some(Ok(answer)) => Poll::Ready(Ok(answer)),
            Some(error) if asking.is_empty() => Poll::Ready(error),
            _ => Poll::Pending,
        }
    })
    .await
}

/// First, last, the master, and its replicas in any order.
fn range(told: &Value) -> Option<(u16, (u16, Node))> {
    let Value::Array(told) = told else {
        return None;
    };
    let slot = |slot: &Value| u16::from_redis_value_ref(slot).ok();
    let [first, last, master, ..] = told.as_slice() else {
        return None;
    };
    Some((slot(last)?, (slot(first)?, Node::told(master)?)))
}
