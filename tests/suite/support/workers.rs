//! A test itself in other processes, and what those say.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::signal;

/// This test again, in a process of its own with these variables set and no other of ours.
/// Returns what it printed, once it succeeded.
pub fn in_own_process(test: &str, variables: &[(&str, &str)]) -> String {
    let output = own_process(test, variables).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "`{test}` is no test: {text}");
    text.into_owned()
}

fn own_process(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env_remove("REDIS_URL").env("IN_OWN_PROCESS", test);
    command.envs(variables.iter().copied());
    command
}

/// Whether this process was made for this test.
pub fn is_own_process(test: &str) -> bool {
    std::env::var("IN_OWN_PROCESS").is_ok_and(|of| of == test)
}

/// A test running in a process of its own, beside others.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub fn start(test: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = own_process(test, variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until it says `word` by [`say`].
    pub fn hears(&mut self, word: &str) {
        let word = format!("SAYS {word}");
        let heard = self
            .lines
            .by_ref()
            .any(|line| line.unwrap().ends_with(&word));
        assert!(heard, "the worker ended without `{word}`");
    }

    /// Lets it go on from [`wait_to_go`].
    pub fn go(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    /// Stops it, and lets it go on after this while as if nothing had been.
    pub fn stop_for(&self, a_while: std::time::Duration) {
        signal("STOP", &self.child.id().to_string());
        std::thread::sleep(a_while);
        signal("CONT", &self.child.id().to_string());
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it said by [`tell`], once it succeeded.
    pub fn end(mut self) -> Told {
        let lines: Vec<_> = self.lines.by_ref().map(Result::unwrap).collect();
        assert!(self.child.wait().unwrap().success(), "{lines:#?}");
        let told = |line: &String| {
            let (_, told) = line.split_once("TELLS ")?;
            let (name, value) = told.split_once('=')?;
            let values = value.split(' ').map(|value| value.parse().unwrap());
            Some((name.to_owned(), values.collect()))
        };
        Told(lines.iter().filter_map(told).collect())
    }
}

pub fn say(word: &str) {
    println!("\nSAYS {word}");
}

pub fn tell(name: &str, value: u64) {
    println!("\nTELLS {name}={value}");
}

pub fn tell_all(name: &str, values: impl Iterator<Item = u64>) {
    let values: Vec<_> = values.map(|value| value.to_string()).collect();
    if !values.is_empty() {
        println!("\nTELLS {name}={}", values.join(" "));
    }
}

pub fn wait_to_go() {
    say("ready");
    let mut byte = [0; 3];
    std::io::stdin().read_exact(&mut byte).unwrap();
}

/// What workers said by [`tell`] and [`tell_all`].
#[derive(Debug)]
pub struct Told(Vec<(String, Vec<u64>)>);

impl Told {
    /// Every value of that name, of all workers.
    pub fn values(&self, name: &str) -> impl Iterator<Item = u64> {
        let told = self.0.iter().filter(move |(of, _)| of == name);
        told.flat_map(|(_, values)| values).copied()
    }

    pub fn sum(&self, name: &str) -> u64 {
        self.values(name).sum()
    }
}

/// Workers that go together.
#[derive(Debug)]
pub struct Fleet(Vec<Worker>);

impl Fleet {
    /// So many, each with its number in `ME`, once all of them [`wait_to_go`].
    pub fn start(test: &str, count: u64, variables: &[(&str, &str)]) -> Self {
        let start = |me: u64| {
            let me = me.to_string();
            Worker::start(test, &[variables, &[("ME", &me)]].concat())
        };
        let mut fleet = Self((0..count).map(start).collect());
        fleet.wait_until_ready();
        fleet
    }

    pub fn wait_until_ready(&mut self) {
        self.0.iter_mut().for_each(|worker| worker.hears("ready"));
    }

    pub fn go(&mut self) {
        self.0.iter_mut().for_each(Worker::go);
    }

    /// The ids of the processes.
    #[allow(dead_code, reason = "the drills use it")]
    pub fn processes(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|worker| worker.child.id())
    }

    /// Once each of them succeeded.
    pub fn end(self) -> Told {
        let told = self.0.into_iter().map(Worker::end);
        Told(told.flat_map(|told| told.0).collect())
    }
}

/// So many workers go together, and this is what they told.
pub fn together(test: &str, count: u64, variables: &[(&str, &str)]) -> Told {
    let mut fleet = Fleet::start(test, count, variables);
    fleet.go();
    fleet.end()
}
