//! `cargo run --release --bin network`: hits and misses of this crate beside a GET by hand, through a
//! link with a round-trip time. With numbers, those round-trip times in microseconds.

use std::process::{Command, ExitCode};
use std::time::Duration;

use tokio::runtime::Runtime;
use versus::facts::Facts;
use versus::network::{self, Effort, ROUND_TRIPS};
use versus::server::Server;
use versus::worker::WORKER;

const USAGE: &str = "\
usage: cargo run --release --bin network -- [--quick] [MICROSECONDS ..]

  --quick  few and short rounds: whether everything runs, not how fast";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [worker, effort, round_trip] if worker == WORKER => {
            let runtime = Runtime::new().expect("a runtime can be started");
            let micros = round_trip.parse().expect("a worker is given a number");
            let effort = match effort.as_str() {
                QUICK => Effort::QUICK,
                _ => Effort::FULL,
            };
            network::measure(runtime.handle(), Duration::from_micros(micros), effort);
            ExitCode::SUCCESS
        }
        arguments => run(arguments),
    }
}

const QUICK: &str = "--quick";

fn run(arguments: &[String]) -> ExitCode {
    let is_quick = |of: &&String| *of == QUICK;
    let effort = arguments.iter().find(is_quick).map_or("--full", |_| QUICK);
    let round_trips = arguments
        .iter()
        .filter(|of| !is_quick(of))
        .map(|of| of.parse());
    let round_trips: Result<Vec<u64>, _> = round_trips.collect();
    let Ok(mut round_trips) = round_trips else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    if round_trips.is_empty() {
        round_trips = ROUND_TRIPS.to_vec();
    }
    Facts::collect(Server::start().version()).print();
    println!("\nmedians over the rounds; ratios are of the same round");
    let this = std::env::current_exe().expect("this program has a file");
    for round_trip in round_trips {
        let mut command = Command::new(&this);
        command.args([WORKER, effort, &round_trip.to_string()]);
        let status = command.status().expect("a program that runs can run again");
        if !status.success() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
