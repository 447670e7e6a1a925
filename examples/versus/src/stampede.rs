//! Many callers of one key that nothing is stored under, with a body that takes its time.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;

use crate::contenders::{AsyncContender, Peer, ours};
use crate::measure::{at, median};
use crate::server::Server;
use crate::values::{self, cold_key};
use crate::worker::{Worker, wait_to_go};

/// Callers of the table.
const WIDTHS: [usize; 2] = [64, 1024];

pub const PROCESSES: usize = 4;
pub const CALLERS_EACH: usize = 64;

/// How many bodies ran for one cold key: the worst of a few times, since one body too many once is
/// one too many.
#[derive(Clone, Debug, Serialize)]
pub struct Stampede {
    in_one_process: Vec<Bodies>,
    /// Ours, all processes together.
    pub across_processes: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Bodies {
    name: &'static str,
    /// For each of the numbers of callers.
    bodies: [u64; WIDTHS.len()],
}

impl Stampede {
    pub fn measure(server: &Server, contenders: &[Box<dyn AsyncContender>], times: usize) -> Self {
        let worst = |once: &dyn Fn() -> u64| (0..times).map(|_| once()).max().unwrap_or_default();
        let bodies = |of: &dyn AsyncContender| Bodies {
            name: of.name(),
            bodies: WIDTHS.map(|callers| worst(&|| of.stampede(callers))),
        };
        Self {
            in_one_process: contenders.iter().map(|of| bodies(&**of)).collect(),
            across_processes: worst(&|| across_processes(server)),
        }
    }

    /// Ours, for the most callers in one process.
    pub fn ours(&self) -> Option<u64> {
        let ours = |row: &&Bodies| row.name == ours::Ours::NAME;
        self.in_one_process
            .iter()
            .find(ours)?
            .bodies
            .last()
            .copied()
    }

    pub fn print(&self) {
        print!("\n{:<28}", "bodies for a cold key");
        WIDTHS.iter().for_each(|callers| print!("{callers:>9}"));
        println!();
        for Bodies { name, bodies } in &self.in_one_process {
            print!("{name:<28}");
            bodies.iter().for_each(|bodies| print!("{bodies:>9}"));
            println!();
        }
    }
}

/// How many bodies run for so many callers in this process.
pub(crate) async fn bodies<F>(callers: usize, call: impl Fn(u64) -> F) -> u64
where
    F: Future<Output: Send> + Send + 'static,
{
    let (key, before) = (cold_key(), values::bodies());
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(call(key))).collect();
    for task in tasks {
        task.await.expect("no contender panics on a miss");
    }
    values::bodies() - before
}

/// The role of the processes that run together.
pub const ROLE: &str = "stampede";

/// How many bodies run in processes of so many callers each, all together.
fn across_processes(server: &Server) -> u64 {
    let key = cold_key().to_string();
    let start = |_| Worker::start(ROLE, &[server.url(), &key]);
    let mut workers: Vec<_> = (0..PROCESSES).map(start).collect();
    workers.iter_mut().for_each(Worker::go);
    let ran = |worker: &mut Worker| {
        let line = worker.line().expect("a worker says how many bodies it ran");
        line.parse::<u64>().expect("a worker says a number")
    };
    workers.iter_mut().map(ran).sum()
}

/// One of the processes.
pub fn work(runtime: &Handle, url: &str, key: u64) {
    ours::install(url);
    // Connected before they all start: it is the key that is cold.
    runtime.block_on(async {
        tokio::spawn(ours::empty(0))
            .await
            .expect("a body that returns")
    });
    if wait_to_go() {
        let ran = runtime.block_on(bodies(CALLERS_EACH, |_| ours::slow(key)));
        println!("{ran}");
    }
}

/// What those who wait for another's body pay.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Followers {
    /// Beyond the time that the body took, in microseconds.
    pub p50_micros: f64,
    pub p99_micros: f64,
    /// Commands of the whole stampede, arrival and fill included.
    pub commands: f64,
    /// Commands while they wait; none if no round was on time to count them.
    pub polls: Option<f64>,
}

impl Followers {
    pub fn measure(runtime: &Handle, server: &Server, callers: usize, rounds: usize) -> Self {
        let rounds: Vec<_> = (0..rounds)
            .map(|_| round(runtime, server, callers))
            .collect();
        let polls: Vec<_> = rounds.iter().filter_map(|round| round.polls).collect();
        Self {
            p50_micros: median(rounds.iter().map(|round| at(&round.beyond, 0.5))),
            p99_micros: median(rounds.iter().map(|round| at(&round.beyond, 0.99))),
            commands: median(rounds.iter().map(|round| round.commands)),
            polls: (!polls.is_empty()).then(|| median(polls.into_iter())),
        }
    }
}

struct Round {
    /// Microseconds beyond the body of each caller, sorted.
    beyond: Vec<f64>,
    commands: f64,
    polls: Option<f64>,
}

/// By then all callers have arrived.
const ARRIVED: Duration = Duration::from_millis(15);

/// By then the body has not ended.
const BEFORE_THE_END: Duration = Duration::from_millis(25);

fn round(runtime: &Handle, server: &Server, callers: usize) -> Round {
    let (key, before) = (cold_key(), server.commands());
    let call = || async move {
        let began = Instant::now();
        ours::slow(key).await;
        began.elapsed()
    };
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers).map(|_| runtime.spawn(call())).collect();
    std::thread::sleep(ARRIVED.saturating_sub(began.elapsed()));
    let arrived = server.commands();
    std::thread::sleep(BEFORE_THE_END.saturating_sub(began.elapsed()));
    let waited = server.commands();
    // The body cannot have ended before, and began after.
    let on_time = began.elapsed() < values::SLOW;
    let all = async {
        let mut took = Vec::with_capacity(callers);
        for task in tasks {
            took.push(task.await.expect("a slow body does not panic"));
        }
        took
    };
    let took = runtime.block_on(all);
    // What is still on its way when the callers have their answers counts, too.
    std::thread::sleep(Duration::from_millis(20));
    let commands = server.commands();
    let body = values::last_slow();
    let beyond = |took: &Duration| (took.as_secs_f64() - body.as_secs_f64()) * 1e6;
    let mut beyond: Vec<_> = took.iter().map(beyond).collect();
    beyond.sort_by(f64::total_cmp);
    // Each question counts as a command for the next one.
    Round {
        beyond,
        commands: (commands - before - 3) as f64,
        polls: on_time.then_some((waited - arrived - 1) as f64),
    }
}
