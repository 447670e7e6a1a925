//! A cluster of servers of our own.

use std::process::Command;
use std::time::Duration;

use super::{Server, cli_program};

/// Three masters, each with as many replicas as asked for.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    pub fn start() -> Self {
        Self::start_with(0, &[])
    }

    pub fn start_with(replicas: usize, arguments: &[&str]) -> Self {
        let count = 3 * (1 + replicas);
        let nodes = (0..count).map(|_| Server::start_with(&with_cluster(arguments)));
        let cluster = Self {
            nodes: nodes.collect(),
        };
        cluster.create(replicas, cluster.places().collect(), &[]);
        cluster
    }

    /// Of masters with these arguments, which are joined by these places.
    #[cfg(feature = "tls-rustls")]
    pub fn of(arguments: &[Vec<String>], places: &[String], options: &[String]) -> Self {
        let start = |arguments: &Vec<String>| {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            Server::start_with(&with_cluster(&arguments))
        };
        let cluster = Self {
            nodes: arguments.iter().map(start).collect(),
        };
        cluster.create(0, places.to_vec(), options);
        cluster
    }

    fn create(&self, replicas: usize, places: Vec<String>, options: &[String]) {
        let mut create = options.to_vec();
        create.extend(["--cluster", "create"].map(str::to_owned));
        create.extend(places);
        create.extend(["--cluster-replicas".to_owned(), replicas.to_string()]);
        create.push("--cluster-yes".to_owned());
        manage(&create);
        let count = self.nodes.len() - 3;
        self.wait_until("everybody agrees", |node| {
            node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && node.cli(&["CLUSTER", "NODES"]).matches("slave").count() == count
                // Of a replica: its first copy is done.
                && !node.cli(&["INFO", "replication"]).contains("master_link_status:down")
        });
    }

    fn places(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().map(Server::place)
    }

    /// For its default user, who may do everything.
    pub fn url_of_default(&self) -> String {
        format!(
            "redis+cluster://{}",
            Vec::from_iter(self.places()).join(",")
        )
    }

    pub fn url(&self) -> String {
        let places: Vec<_> = self.places().collect();
        let login = &self.nodes[0].login;
        format!("redis+cluster://{login}{}", places.join(","))
    }

    /// Moves so many slots from one node to another.
    pub fn reshard(&self, slots: u32, from: usize, to: usize) {
        let id = |node: usize| self.nodes[node].cli(&["CLUSTER", "MYID"]);
        let place = self.places().next().unwrap();
        let arguments = [
            "--cluster",
            "reshard",
            &place,
            "--cluster-from",
            &id(from),
            "--cluster-to",
            &id(to),
            "--cluster-slots",
            &slots.to_string(),
            "--cluster-yes",
        ];
        manage(&arguments.map(str::to_owned));
    }

    /// Begins to move the slot of a key, and goes no further. The node that has it, and the one
    /// that it is on its way to.
    pub fn begin_to_move(&self, key: &str) -> (&Server, &Server) {
        let slot = self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]);
        let has = |node: &&Server| !node.cli(&["GET", key]).starts_with("MOVED");
        let from = self.nodes.iter().find(has).unwrap();
        let to = self.nodes.iter().find(|node| !has(node)).unwrap();
        let [id_from, id_to] = [from, to].map(|node| node.cli(&["CLUSTER", "MYID"]));
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id_from]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id_to]);
        (from, to)
    }

    pub fn wait_until(&self, what: &str, is_so: impl Fn(&Server) -> bool) {
        for _ in 0..1000 {
            if self.nodes.iter().all(&is_so) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the cluster never came so far that {what}");
    }

    /// Waits until this replica is a master.
    pub fn wait_for_promotion(&self, replica: usize) {
        for _ in 0..4000 {
            if role(&self.nodes[replica]) == "master" {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the replica was not promoted");
    }

    /// A master, and the replica of it.
    pub fn master_and_replica(&self) -> (usize, usize) {
        let id = |node: &Server| node.cli(&["CLUSTER", "MYID"]);
        let ids: Vec<_> = self.nodes.iter().map(id).collect();
        let is_replica = |node: &Server| role(node) == "slave";
        let replica = self.nodes.iter().position(is_replica).unwrap();
        let nodes = self.nodes[replica].cli(&["CLUSTER", "NODES"]);
        let own = nodes.lines().find(|line| line.contains("myself")).unwrap();
        let master = own.split(' ').nth(3).unwrap();
        (ids.iter().position(|of| of == master).unwrap(), replica)
    }
}

fn with_cluster<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--cluster-enabled", "yes"], arguments].concat()
}

/// By `redis-cli`, which ends well after some errors, too.
fn manage(arguments: &[String]) {
    let mut command = Command::new(cli_program());
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let well = output.status.success() && !text.contains("[ERR]") && !text.contains("ERR ");
    assert!(well, "{text} {}", String::from_utf8_lossy(&output.stderr));
}

/// The first word of what ROLE answers.
fn role(node: &Server) -> String {
    let role = node.cli(&["ROLE"]);
    role.lines().next().unwrap_or_default().to_owned()
}
