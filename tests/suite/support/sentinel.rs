//! A master, its replica, and a sentinel that watches them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::{Server, cli, free_port, fresh_folder, mortal, once_it_says, server_program};

#[derive(Debug)]
pub struct Sentinel {
    child: Child,
    pid: String,
    port: u16,
    folder: PathBuf,
    pub master: Server,
    pub replica: Server,
}

impl Sentinel {
    pub fn start() -> Self {
        Self::start_with(&[], "")
    }

    /// With arguments of the servers, and lines of the sentinel's configuration.
    pub fn start_with(arguments: &[&str], lines: &str) -> Self {
        let master = Server::start_with(arguments);
        let port = master.port();
        let of_master = ["--replicaof", "127.0.0.1", &port.to_string()];
        let replica = Server::start_with(&[arguments, &of_master].concat());
        Self::watching(master, replica, port, lines)
    }

    /// Over servers of which the master has this port for the sentinel.
    pub fn watching(master: Server, replica: Server, of_master: u16, lines: &str) -> Self {
        // A sentinel asks the master for its replicas once in ten seconds.
        until("the replica is attached", || {
            master
                .cli(&["INFO", "replication"])
                .contains("state=online")
        });
        let folder = fresh_folder();
        for _ in 0..10 {
            let port = free_port();
            let file = folder.join("sentinel.conf");
            // What is said of a master must come after its name.
            let conf = format!(
                "bind 127.0.0.1\nport {port}\ndir {}\n\
                 sentinel monitor main 127.0.0.1 {of_master} 1\n{lines}\n\
                 sentinel down-after-milliseconds main 1000\n\
                 sentinel failover-timeout main 5000\n",
                folder.display()
            );
            std::fs::write(&file, conf).unwrap();
            let Some((child, pid)) = launch(&file) else {
                continue;
            };
            let sentinel = Self {
                child,
                pid,
                port,
                folder,
                master,
                replica,
            };
            until("the sentinel knows the replica", || {
                sentinel.knows_a_replica()
            });
            return sentinel;
        }
        panic!("no sentinel could be started");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        let login = &self.master.login;
        format!("redis+sentinel://{login}127.0.0.1:{}/main", self.port)
    }

    /// With sentinels before it that refuse and that never say a word.
    pub fn url_behind(&self, silent: u16) -> String {
        let (refuses, port) = (free_port(), self.port);
        let login = &self.master.login;
        format!(
            "redis+sentinel://{login}127.0.0.1:{refuses},127.0.0.1:{silent},127.0.0.1:{port}/main"
        )
    }

    /// Waits until the sentinel names the replica as the master, which is up to a second after the
    /// replica has become it.
    pub fn wait_for_promotion(&self) {
        let port = self.replica.port().to_string();
        until("the replica is promoted", || {
            let told = self.cli(&["SENTINEL", "MASTER", "main"]);
            let mut told = told.lines().skip_while(|line| *line != "port");
            told.nth(1) == Some(&port)
        });
    }

    /// Lets the replica and the master change places. A sentinel would end the connections to the
    /// old master, ten seconds later; here they live on.
    pub fn change_places(&self) {
        until("a failover begins", || {
            self.cli(&["SENTINEL", "FAILOVER", "main"]) == "OK"
        });
        self.wait_for_promotion();
        let port = self.replica.port().to_string();
        self.master.cli(&["REPLICAOF", "127.0.0.1", &port]);
    }

    fn knows_a_replica(&self) -> bool {
        let info = self.cli(&["INFO", "sentinel"]);
        info.contains("status=ok") && info.contains("slaves=1")
    }

    pub fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments).expect("redis-cli succeeds")
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..4000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never came so far that {what}");
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-s", "KILL", &self.pid])
            .status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn launch(file: &Path) -> Option<(Child, String)> {
    let mut command = mortal(&server_program());
    command.arg(file).arg("--sentinel");
    once_it_says("Sentinel ID is", command)
}
