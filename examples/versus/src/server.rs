//! A Redis server of this run's own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use redis::Connection;

/// How long a server lives at most, in seconds, should this process end without its destructors.
const LONGEST: &str = "900";

/// A server on a free loopback port, with nothing in it, ended with this value.
pub struct Server {
    child: Child,
    url: String,
    /// For questions about the server itself; no contender uses it.
    control: Mutex<Connection>,
}

impl Server {
    pub fn start() -> Self {
        // Another process may take the port between our look and the server's.
        let started = (0..10).find_map(|_| launch(free_port()));
        let (child, port) = started.expect("redis-server must be installed and start");
        let url = format!("redis://127.0.0.1:{port}");
        let control = Mutex::new(connect(&url));
        Self {
            child,
            url,
            control,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
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
        let mut control = self.control.lock().expect("no holder panics");
        let text: String = redis::cmd("INFO")
            .arg(section)
            .query(&mut *control)
            .expect("the server of this run answers");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.expect("INFO has had this field for ever").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It closes the connection instead of answering, which reads as an error.
        if let Ok(control) = self.control.get_mut() {
            let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(control);
        }
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("it is bound").port()
}

/// The server, once it accepts connections; nothing if it ended instead.
fn launch(port: u16) -> Option<(Child, u16)> {
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
    Some((child, port))
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
