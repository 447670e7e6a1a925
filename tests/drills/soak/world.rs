//! The servers of a soak, and the faults that are made there.

use std::thread::sleep;
use std::time::Duration;

use crate::proxy::Proxy;
#[cfg(feature = "cluster")]
use crate::support::Cluster;
use crate::support::Server;

pub enum World {
    /// One server, by way of a proxy.
    Single(Server, Proxy),
    #[cfg(feature = "cluster")]
    Cluster(Cluster),
}

impl World {
    pub fn single() -> Self {
        let server = Server::start();
        let proxy = Proxy::before(server.port());
        Self::Single(server, proxy)
    }

    #[cfg(feature = "cluster")]
    pub fn cluster() -> Self {
        Self::Cluster(Cluster::start())
    }

    pub fn url(&self) -> String {
        match self {
            Self::Single(_, proxy) => proxy.url(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// The sockets of the proxy, which is no part of what is tested.
    pub fn sockets_of_proxy(&self) -> usize {
        match self {
            Self::Single(_, proxy) => 2 * proxy.connections(),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => 0,
        }
    }

    /// The names of the faults.
    pub fn faults(&self) -> &'static [&'static str] {
        match self {
            Self::Single(..) => &[
                "kill",
                "freeze",
                "black hole",
                "slow",
                "cut",
                "junk on the wire",
                "FLUSHALL",
                "CLIENT KILL",
                "full",
                "CLIENT PAUSE",
                "SCRIPT FLUSH",
                "drip",
            ],
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => &[
                "freeze",
                "FLUSHALL",
                "CLIENT KILL",
                "SCRIPT FLUSH",
                "reshard",
            ],
        }
    }

    /// Makes a fault and ends it again.
    pub fn make(&mut self, fault: &str) {
        let a_while = Duration::from_millis(fastrand::u64(100..1000));
        match self {
            Self::Single(server, proxy) => single(server, proxy, fault, a_while),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let node = fastrand::usize(..cluster.nodes.len());
                match fault {
                    "reshard" => {
                        let to = (node + 1) % cluster.nodes.len();
                        cluster.reshard(fastrand::u32(1..200), node, to);
                    }
                    fault => of_server(&cluster.nodes[node], fault, a_while),
                }
            }
        }
    }
}

/// What is done to one server, in a cluster or not.
fn of_server(server: &Server, fault: &str, a_while: Duration) {
    match fault {
        "freeze" => {
            server.freeze();
            sleep(a_while);
            server.thaw();
        }
        "FLUSHALL" => {
            server.cli(&["FLUSHALL"]);
        }
        "CLIENT KILL" => {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        "SCRIPT FLUSH" => {
            server.cli(&["SCRIPT", "FLUSH"]);
        }
        other => unreachable!("there is no fault `{other}`"),
    }
}

fn single(server: &mut Server, proxy: &Proxy, fault: &str, a_while: Duration) {
    match fault {
        "kill" => {
            server.kill();
            sleep(a_while);
            server.restart();
        }
        "black hole" => proxy.swallow(),
        "slow" => {
            proxy.delay(a_while / 5);
            sleep(a_while);
            proxy.delay(Duration::ZERO);
        }
        "cut" => proxy.cut(),
        "junk on the wire" => {
            proxy.corrupt(true);
            sleep(a_while / 4);
            proxy.corrupt(false);
        }
        "full" => {
            server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
            sleep(a_while);
            server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        }
        "CLIENT PAUSE" => {
            server.cli(&["CLIENT", "PAUSE", &a_while.as_millis().to_string()]);
        }
        "drip" => {
            // So that what is small comes in several pieces, too.
            proxy.drip(8, a_while / 20);
            sleep(a_while);
            proxy.flow();
        }
        other => of_server(server, other, a_while),
    }
}
