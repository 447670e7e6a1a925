//! What the tests need around them: a server of their own, and themselves in another process.

#[path = "support/acl.rs"]
pub mod acl;
#[cfg(any(feature = "cluster", feature = "sentinel"))]
#[path = "support/callers.rs"]
mod callers;
#[cfg(feature = "cluster")]
#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/monitor.rs"]
mod monitor;
#[cfg(feature = "sentinel")]
#[path = "support/sentinel.rs"]
mod sentinel;
#[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
#[path = "support/tls.rs"]
mod tls;
#[path = "support/workers.rs"]
mod workers;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Config};

#[cfg(any(feature = "cluster", feature = "sentinel"))]
pub use self::callers::Callers;
#[cfg(feature = "cluster")]
pub use self::cluster::Cluster;
pub use self::monitor::{Monitor, READS, Sent, connections};
#[cfg(feature = "sentinel")]
pub use self::sentinel::Sentinel;
#[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
pub use self::tls::Authority;
pub use self::workers::{
    Fleet, Told, Worker, in_own_process, is_own_process, say, tell, tell_all, together, wait_to_go,
};

/// Where what is shown is not how long a server may take.
pub fn patient(url: &str) -> Cache {
    const PATIENT: Duration = Duration::from_secs(10);
    let config = Config::new(url).connect_timeout(PATIENT);
    Cache::new(config.response_timeout(PATIENT)).unwrap()
}

/// A redis-server that nobody else knows, with nothing in it, ended with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: String,
    port: u16,
    folder: PathBuf,
    /// Of the user that the tests are run for.
    login: String,
    arguments: Vec<String>,
}

/// A millisecond, by the name that servers of every version know.
pub const BUSY_SOON: &[&str] = &["--lua-time-limit", "1"];

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = fresh_folder();
        // Another process may take the port between our look and the server's.
        (0..10)
            .find_map(|_| Self::launched(free_port(), &folder, arguments))
            .expect("redis-server is installed; tests/run does it")
    }

    /// One at a port where nobody listens.
    pub fn start_at(port: u16) -> Self {
        Self::launched(port, &fresh_folder(), &[]).expect("nobody listens there")
    }

    fn launched(port: u16, folder: &Path, arguments: &[&str]) -> Option<Self> {
        let mut arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let has_users = arguments
            .iter()
            .any(|of| ["--requirepass", "--aclfile", "--user"].contains(&of.as_str()));
        let (user, login) = match has_users {
            true => Default::default(),
            false => acl::of_each_server(),
        };
        arguments.extend(user);
        let (child, pid) = launch(port, folder, &arguments)?;
        Some(Self {
            child,
            pid,
            port,
            folder: folder.to_owned(),
            login,
            arguments,
        })
    }

    pub fn url(&self) -> String {
        format!("redis://{}{}", self.login, self.place())
    }

    /// Whom the cache is to the server.
    pub fn user(&self) -> &'static str {
        if self.login.is_empty() {
            "default"
        } else {
            acl::NAME
        }
    }

    /// Whether it lets the cache run scripts.
    pub fn runs_scripts(&self) -> bool {
        self.login.is_empty() || acl::runs_scripts()
    }

    /// For its default user, who may do everything.
    pub fn url_of_default(&self) -> String {
        format!("redis://{}", self.place())
    }

    fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn cache(&self) -> Cache {
        Cache::open(&self.url()).unwrap()
    }

    /// One for which it may take its time.
    pub fn patient(&self) -> Cache {
        patient(&self.url())
    }

    pub fn config(&self) -> Config {
        Config::new(self.url())
    }

    /// What `redis-cli` answers: another program's view of the server.
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).expect("redis-cli succeeds")
    }

    /// None if the server refuses.
    pub fn try_cli(&self, arguments: &[&str]) -> Option<String> {
        cli(self.port, arguments)
    }

    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self
            .cli(&["KEYS", "*"])
            .lines()
            .map(str::to_owned)
            .collect();
        keys.sort();
        keys
    }

    /// How many there are, besides the one that asks.
    pub fn connections(&self) -> u64 {
        let info = self.cli(&["INFO", "clients"]);
        let all = info
            .lines()
            .find_map(|line| line.strip_prefix("connected_clients:"));
        all.unwrap().trim().parse::<u64>().unwrap() - 1
    }

    /// As Valkey counts, too: of the Redis that it is compatible with.
    pub fn version(&self) -> (u32, u32) {
        let info = self.cli(&["INFO", "server"]);
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        let mut numbers = version
            .unwrap()
            .split('.')
            .map(|part| part.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }

    /// Whether its SET takes NX together with GET.
    pub fn sets_with_get(&self) -> bool {
        self.version() >= (7, 0)
    }

    /// Whether its SET compares.
    pub fn sets_if_equal(&self) -> bool {
        let answer = self.cli(&["SET", "no:such:key", "new", "IFEQ", "old"]);
        !answer.contains("syntax error")
    }

    /// Has another client run a script that has no end: the server, started with [`BUSY_SOON`], is busy
    /// from now on.
    pub fn begin_script(&self) -> Child {
        let script = Command::new(cli_program())
            .args(["-p", &self.port.to_string()])
            .args(["EVAL", "while true do end", "0"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // A node of a cluster says of a key of another, for which it is busy or not, where that is.
        while !self.cli(&["PING"]).starts_with("BUSY") {}
        script
    }

    pub fn end_script(&self, mut script: Child) {
        self.cli(&["SCRIPT", "KILL"]);
        script.wait().unwrap();
    }

    pub fn kill(&mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        let (child, pid) = launch(self.port, &self.folder, &self.arguments)
            .expect("the port of the killed server is free");
        self.child = child;
        self.pid = pid;
    }

    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, word: &str) {
        signal(word, &self.pid);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Of a frozen or killed server nothing else is to be done.
        let _ = Command::new("kill")
            .args(["-s", "KILL", &self.pid])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The server that the tests are run on: the environment variable `REDIS_SERVER` says which program.
fn server_program() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Its client, by `REDIS_CLI`.
fn cli_program() -> String {
    std::env::var("REDIS_CLI").unwrap_or_else(|_| "redis-cli".to_owned())
}

/// What `redis-cli` prints, if it can ask.
fn cli(port: u16, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(cli_program());
    command.args(["-p", &port.to_string()]);
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim_end().to_owned())
}

/// A folder that no other test knows.
fn fresh_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("cache-test-{}-{count}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A cluster node listens on a second port, so far above its own.
const TO_SECOND_PORT: u16 = 10_000;

/// A port that nobody listens on. It and the second one are below those that the system gives to outgoing
/// connections: one of these would take it before its server does.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..22_000);
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + TO_SECOND_PORT) {
            return port;
        }
    }
}

fn signal(word: &str, pid: &str) {
    let status = Command::new("kill").args(["-s", word, pid]).status();
    assert!(status.unwrap().success());
}

/// As programs have one: several workers, and all drivers.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// Waits until the cache asks its server again, without asking for it in any other way than a caller
/// would.
pub async fn until_back(cache: &Cache) {
    let start = std::time::Instant::now();
    while cache.get::<u64>("until-back").await.is_err() {
        assert!(start.elapsed() < std::time::Duration::from_secs(5));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// The server and its process id, once it accepts connections; nothing if it ended instead.
fn launch(port: u16, folder: &Path, arguments: &[String]) -> Option<(Child, String)> {
    let mut command = mortal(&server_program());
    command.args(["--bind", "127.0.0.1", "--save", ""]);
    command.args(["--port", &port.to_string(), "--dir"]);
    command.arg(folder).args(arguments);
    once_it_says("Ready to accept connections", command)
}

/// A command that `timeout` ends should this process die without its destructors.
fn mortal(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "900", program]);
    command
}

/// A redis-server and its process id, once its log has this line; nothing if it ended instead.
fn once_it_says(ready: &str, mut command: Command) -> Option<(Child, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let mut pid = None;
    // `1234:M 24 Nov 2026 07:00:00.000 * Ready to accept connections`
    while let Some(Ok(line)) = lines.next() {
        pid = pid.or_else(|| line.split(':').next()?.parse::<u32>().ok());
        if line.contains(ready) {
            // Somebody reads on, so that the server never waits for its log.
            std::thread::spawn(move || lines.for_each(drop));
            return Some((child, pid?.to_string()));
        }
    }
    child.wait().ok()?;
    None
}
