//! This program again, as another process.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The first argument of a process that was started to be one of these.
pub const WORKER: &str = "worker";

/// Ended with this value, whatever it does.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts one and waits until it is ready for [`go`](Self::go).
    pub fn start(role: &str, arguments: &[&str]) -> Self {
        Self::start_with(role, arguments, &[])
    }

    /// With these variables in its environment.
    pub fn start_with(role: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let this = std::env::current_exe().expect("this program has a file");
        let mut command = Command::new(this);
        command.arg(WORKER).arg(role).args(arguments);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a program that runs can run again");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let lines = BufReader::new(output).lines();
        let mut worker = Self {
            child,
            input,
            lines,
        };
        worker.line().expect("a worker says when it is ready");
        worker
    }

    pub fn go(&mut self) {
        self.say("go");
    }

    /// A line for it to read. One that has ended reads nothing, which its lines show.
    pub fn say(&mut self, word: &str) {
        let _ = writeln!(self.input, "{word}");
    }

    /// What it says next; nothing once it has ended.
    pub fn line(&mut self) -> Option<String> {
        self.lines.next()?.ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the worker: says that it is ready, and waits to be let go. Returns whether it was: the
/// process that started it may be gone.
pub fn wait_to_go() -> bool {
    println!("ready");
    wait_for_word().is_some()
}

/// In the worker: what it is told next; nothing once the process that started it is gone.
pub fn wait_for_word() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

/// By the one clock that processes share.
pub fn now_micros() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is set").as_secs_f64() * 1e6
}
