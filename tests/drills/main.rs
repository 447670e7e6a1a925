//! Fire drills: what is promised for each fault of the server, and what was seen.
//!
//! ```text
//! cargo test --release --test drills                         every drill; ends non-zero if a promise is broken
//! cargo test --release --test drills -- freeze oom           those whose name holds one of the words
//! cargo test --release --test drills -- soak                 ten minutes of random faults
//! cargo test --release --test drills -- soak --seconds 60
//! ```

mod callers;
mod outages;
#[path = "../suite/proxy.rs"]
#[allow(dead_code, reason = "the suite uses the rest")]
mod proxy;
mod report;
#[path = "../suite/support.rs"]
#[allow(dead_code, reason = "the suite uses the rest")]
mod support;

use std::process::ExitCode;

use report::Report;

type Drill = fn(&mut Report);

const DRILLS: &[(&str, Drill)] = &[
    ("cold-down", outages::cold_down),
    ("kill-restart", outages::kill_restart),
    ("freeze", outages::freeze),
    ("black-hole", outages::black_hole),
    ("open-breaker", outages::open_breaker),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_asked_for = |name: &str| {
        arguments.is_empty() || arguments.iter().any(|word| name.contains(word.as_str()))
    };
    let mut report = Report::default();
    report.head();
    for (_, drill) in DRILLS.iter().filter(|(name, _)| is_asked_for(name)) {
        drill(&mut report);
    }
    match report.end() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
