//! What the tests need around them: a server of their own, and themselves in another process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use cache_runtime::{Cache, Config};

/// A redis-server that nobody else knows, with nothing in it, ended with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: String,
    port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cache-test-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        // Another process may take the port between our look and the server's.
        for _ in 0..10 {
            let port = free_port();
            if let Some((child, pid)) = launch(port, &folder, &arguments) {
                return Self {
                    child,
                    pid,
                    port,
                    folder,
                    arguments,
                };
            }
        }
        panic!("no redis-server could be started; tests/run installs one");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn cache(&self) -> Cache {
        Cache::open(&self.url()).unwrap()
    }

    pub fn config(&self) -> Config {
        Config::new(self.url())
    }

    /// What `redis-cli` answers: another program's view of the server.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
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

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let status = kill.args(["-s", signal, &self.pid]).status();
        assert!(status.unwrap().success());
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

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The server and its process id, once it accepts connections; nothing if it ended instead.
/// `timeout` ends it should this process die without its destructors.
fn launch(port: u16, folder: &PathBuf, arguments: &[String]) -> Option<(Child, String)> {
    let mut command = Command::new("timeout");
    command.args([
        "--signal=KILL",
        "900",
        "redis-server",
        "--bind",
        "127.0.0.1",
    ]);
    command.args(["--port", &port.to_string(), "--save", "", "--dir"]);
    command.arg(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let mut pid = None;
    // `1234:M 24 Nov 2026 07:00:00.000 * Ready to accept connections`
    while let Some(Ok(line)) = lines.next() {
        pid = pid.or_else(|| line.split(':').next()?.parse::<u32>().ok());
        if line.contains("Ready to accept connections") {
            // Somebody reads on, so that the server never waits for its log.
            std::thread::spawn(move || lines.for_each(drop));
            return Some((child, pid?.to_string()));
        }
    }
    child.wait().ok()?;
    None
}

/// This test again, in a process of its own with these variables set and no other of ours.
/// Returns what it printed, once it succeeded.
pub fn in_own_process(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env_remove("REDIS_URL").env("IN_OWN_PROCESS", test);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "`{test}` is no test: {text}");
    text.into_owned()
}

/// Whether this process was made for this test.
pub fn is_own_process(test: &str) -> bool {
    std::env::var("IN_OWN_PROCESS").is_ok_and(|of| of == test)
}
