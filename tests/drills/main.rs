//! Fire drills: what is promised for each fault of the server, and what was seen.
//!
//! ```text
//! cargo test --release --test drills                         every drill; ends non-zero if a promise is broken
//! cargo test --release --test drills -- freeze oom           those whose name holds one of the words
//! cargo test --release --test drills -- soak                 ten minutes of random faults
//! cargo test --release --test drills -- soak --seconds 60
//! cargo test --release --test drills -- soak --cluster   the same on a cluster whose slots move
//! ```
//!
//! Those of a cluster and of sentinels need `--all-features`.

mod busy;
mod callers;
mod copies;
mod crowds;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod failovers;
mod leaders;
mod log;
mod outages;
#[path = "../suite/proxy.rs"]
#[allow(dead_code, reason = "the suite uses the rest")]
mod proxy;
mod refusals;
mod report;
#[path = "../scenarios/mod.rs"]
#[allow(dead_code, reason = "the suite uses the rest")]
mod scenarios;
mod slow;
mod soak;
mod stampedes;
#[path = "../suite/support.rs"]
#[allow(dead_code, unused_imports, reason = "the suite uses the rest")]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use log::Log;
use report::Report;
use scenarios::fence::{self, Fence};
use scenarios::{Kind, coherence};

type Drill = fn(&mut Report, &Log);

const DRILLS: &[(&str, Drill)] = &[
    ("cold-down", |report, _| outages::cold_down(report)),
    ("kill-restart", |report, _| outages::kill_restart(report)),
    ("freeze", |report, _| outages::freeze(report)),
    ("black-hole", |report, _| outages::black_hole(report)),
    ("idle-black-hole", |report, _| {
        outages::idle_black_hole(report)
    }),
    ("slow", |report, _| slow::slow(report)),
    ("starved", |report, _| outages::starved(report)),
    ("open-breaker", |report, _| outages::open_breaker(report)),
    ("oom", refusals::oom),
    ("no-write-right", refusals::no_write_right),
    ("wrong-password", |report, _| {
        refusals::wrong_password(report)
    }),
    ("junk", |report, _| refusals::junk(report)),
    ("stampede", |report, _| stampedes::stampede(report)),
    ("quota", |report, _| busy::quota(report)),
    ("busy", |report, _| busy::busy(report)),
    ("stale-fill", |report, _| stampedes::stale_fill(report)),
    ("stale-fill-random", |report, _| {
        stampedes::random_fills(report)
    }),
    ("dead-leader", |report, _| leaders::dead_leader(report)),
    ("slow-leader", |report, _| leaders::slow_leader(report)),
    ("broken-leader", |report, _| leaders::broken_leader(report)),
    ("cancel-storm", |report, _| crowds::cancel_storm(report)),
    ("runtimes", |report, _| crowds::runtimes(report)),
    ("sync", |report, _| crowds::sync(report)),
    ("coherence-random", |report, _| copies::coherence(report)),
    ("coherence", |report, _| copies::changes(report)),
    ("coherence-freeze", |report, _| copies::freeze(report)),
    #[cfg(all(feature = "cluster", feature = "sentinel"))]
    ("cluster", |report, _| failovers::cluster(report)),
    #[cfg(all(feature = "cluster", feature = "sentinel"))]
    ("reshard", |report, _| failovers::reshard(report)),
    #[cfg(all(feature = "cluster", feature = "sentinel"))]
    ("sentinel", |report, _| failovers::sentinel(report)),
];

/// What a process does that a drill started by this name.
const WORKERS: &[(&str, fn())] = &[
    (busy::CALLERS, busy::work),
    (stampedes::ASYNC, || stampedes::work(Kind::Async)),
    (stampedes::SYNC, || stampedes::work(Kind::Sync)),
    (stampedes::FENCED, || fence::work(Fence::Lease)),
    (stampedes::UNFENCED, || fence::work(Fence::None)),
    (leaders::ASYNC, || scenarios::leaders::work(Kind::Async)),
    (leaders::SYNC, || scenarios::leaders::work(Kind::Sync)),
    (copies::COHERENT, coherence::work),
];

fn main() -> ExitCode {
    let work = WORKERS
        .iter()
        .find(|(name, _)| support::is_own_process(name));
    if let Some((_, work)) = work {
        work();
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let log = Log::start();
    let mut report = Report::default();
    if arguments.first().is_some_and(|word| word == "soak") {
        soak::soak(&mut report, soak_length(&arguments), world(&arguments));
    } else {
        report.head();
        let is_asked_for = |name: &str| {
            arguments.is_empty() || arguments.iter().any(|word| name.contains(word.as_str()))
        };
        for (name, drill) in DRILLS.iter().filter(|(name, _)| is_asked_for(name)) {
            let drill = AssertUnwindSafe(|| drill(&mut report, &log));
            if catch_unwind(drill).is_err() {
                report.row(name, "runs to its end", "it panicked, as told above", false);
            }
        }
    }
    match report.end() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn world(arguments: &[String]) -> soak::World {
    match arguments.iter().any(|word| word == "--cluster") {
        false => soak::World::single(),
        #[cfg(feature = "cluster")]
        true => soak::World::cluster(),
        #[cfg(not(feature = "cluster"))]
        true => panic!("`--cluster` needs `--all-features`"),
    }
}

fn soak_length(arguments: &[String]) -> Duration {
    const TEN_MINUTES: Duration = Duration::from_secs(600);
    let mut words = arguments.iter();
    match words
        .find(|word| *word == "--seconds")
        .and_then(|_| words.next())
    {
        None => TEN_MINUTES,
        Some(seconds) => match seconds.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => panic!("`{seconds}` is no number of seconds; write `soak --seconds 60`"),
        },
    }
}
