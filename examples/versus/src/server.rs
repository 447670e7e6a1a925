//! A Redis server of this run's own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use redis::{Connection, FromRedisValue};

/// How long a server lives at most, in seconds, should this process end without its destructors.
const LONGEST: &str = "900";

/// A server on a free loopback port, with nothing in it, ended with this value.
pub struct Server {
    child: Child,
    /// Of the server itself, while it runs.
    pid: Option<String>,
    port: u16,
    url: String,
    /// For questions about the server itself; no contender uses it.
    control: Mutex<Connection>,
}

impl Server {
    pub fn start() -> Self {
        // Another process may take the port between our look and the server's.
        let started = (0..10).find_map(|_| Self::launched(free_port()));
        started.expect("redis-server must be installed and start")
    }

    /// One at a port where nobody listens.
    pub fn start_at(port: u16) -> Self {
        Self::launched(port).expect("the port is free, and redis-server installed")
    }

    fn launched(port: u16) -> Option<Self> {
        let child = launch(port)?;
        let url = format!("redis://127.0.0.1:{port}");
        let control = Mutex::new(connect(&url));
        let mut server = Self {
            child,
            pid: None,
            port,
            url,
            control,
        };
        server.pid = Some(server.info("SERVER", "process_id"));
        Some(server)
    }

    /// At once, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.pid = None;
        // There is nothing to learn from how it ended.
        let _ = self.child.wait();
    }

    /// At the same port, with nothing in it.
    pub fn restart(&mut self) {
        *self = Self::start_at(self.port);
    }

    /// From here on it says nothing, while its sockets accept.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, word: &str) {
        if let Some(pid) = &self.pid {
            let sent = Command::new("kill").args(["-s", word, pid]).status();
            sent.expect("there is a program called kill");
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server answers to these words.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| {
            command.arg(word);
        });
        let mut control = self.control.lock().expect("no holder panics");
        let answer = command.query(&mut *control);
        answer.expect("the server of this run answers")
    }

    /// Microseconds of CPU that the server used since its start.
    pub fn cpu_micros(&self) -> f64 {
        let of = |field| self.info("CPU", field).parse::<f64>();
        let user = of("used_cpu_user").expect("Redis reports its CPU time as a number");
        let system = of("used_cpu_sys").expect("Redis reports its CPU time as a number");
        (user + system) * 1e6
    }

    /// Commands that the server processed since its start, of which this question is none yet.
    pub fn commands(&self) -> u64 {
        let count = self.info("STATS", "total_commands_processed");
        count
            .parse()
            .expect("Redis reports its commands as a number")
    }

    pub fn version(&self) -> String {
        self.info("SERVER", "redis_version")
    }

    fn info(&self, section: &str, field: &str) -> String {
        let text: String = self.ask(&["INFO", section]);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.expect("INFO has had this field for ever").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("it is bound").port()
}

/// The server, once it accepts connections; nothing if it ended instead.
fn launch(port: u16) -> Option<Child> {
    let mut child = bounded(port).or_else(|_| unbounded(port)).ok()?;
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let ready = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("Ready to accept"));
    if !ready {
        child.wait().ok()?;
        return None;
    }
    // Somebody reads on, so that the server never waits for its log.
    std::thread::spawn(move || lines.for_each(drop));
    Some(child)
}

fn bounded(port: u16) -> std::io::Result<Child> {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", LONGEST, "redis-server"]);
    spawn(command, port)
}

/// Where there is no `timeout`, the server ends with this process if that ends in good order.
fn unbounded(port: u16) -> std::io::Result<Child> {
    spawn(Command::new("redis-server"), port)
}

fn spawn(mut command: Command, port: u16) -> std::io::Result<Child> {
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--save", "", "--appendonly", "no"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

fn connect(url: &str) -> Connection {
    let client = redis::Client::open(url).expect("the URL is made here");
    client
        .get_connection()
        .expect("the server said that it is ready")
}
