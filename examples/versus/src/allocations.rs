//! Allocations per hit.
//!
//! Counting them slows whoever allocates, so the program that counts is another one than the one
//! that measures time: `bin/allocations.rs`, built and run here by cargo.

use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::contenders;
use crate::measure::{Keys, Plan};
use crate::near;
use crate::values::{Size, Small, load_small};

/// Of one run, per hit.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Allocations {
    pub hits: Vec<OfHit>,
    /// Those that decoding the value from JSON makes by itself, and any caller must pay.
    pub of_the_value: f64,
    /// Of a near hit that hands out the shared value.
    pub near_shared: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OfHit {
    pub name: String,
    pub callers: usize,
    pub allocations: f64,
}

impl Allocations {
    /// Runs the program that counts.
    ///
    /// # Errors
    /// Why it could not.
    pub fn measure(url: &str) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").zip(std::env::var_os("CARGO_MANIFEST_DIR"));
        let (cargo, package) = cargo.ok_or("not started by cargo run")?;
        let mut command = Command::new(cargo);
        command
            .args(["run", "--quiet", "--bin", "allocations"])
            .current_dir(package);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let output = command
            .args(["--", url])
            .output()
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout)
            .map_err(|_| "the program that counts did not run".to_owned())
    }

    /// Of a hit on a small value, without those of the value itself.
    pub fn beside_the_value(&self, name: &str, callers: usize) -> Option<f64> {
        let of = |hit: &&OfHit| hit.name == name && hit.callers == callers;
        Some(self.hits.iter().find(of)?.allocations - self.of_the_value)
    }

    /// In the program that counts: `allocations` reads how many there were so far.
    pub fn count(url: &str, runtime: &Handle, allocations: &dyn Fn() -> f64) -> Self {
        let mut hits = Vec::new();
        for contender in contenders::of_tasks(url, runtime) {
            for callers in [1, 64] {
                let plan = Plan {
                    size: Size::Small,
                    keys: Keys::Stored,
                    callers,
                    rounds: 1,
                    slice: Duration::from_millis(100),
                    probe: allocations,
                };
                hits.push(OfHit {
                    name: contender.name().to_owned(),
                    callers,
                    allocations: contender.slice(&plan).probed,
                });
            }
        }
        Self {
            hits,
            of_the_value: of_the_value(allocations),
            near_shared: near::shared_allocations(runtime, allocations),
        }
    }

    pub fn print(&self) {
        println!("\nallocations per hit on a small value, those of the value itself included");
        println!("{:<28}{:>9}{:>9}", "callers", 1, 64);
        for pair in self.hits.chunks(2) {
            print!("{:<28}", pair[0].name);
            pair.iter()
                .for_each(|hit| print!("{:>9.2}", hit.allocations));
            println!();
        }
        println!("{:<28}{:>9.2}", "the value itself", self.of_the_value);
    }
}

fn of_the_value(allocations: &dyn Fn() -> f64) -> f64 {
    const TIMES: u32 = 1000;
    let json = serde_json::to_vec(&load_small(0)).expect("these values are JSON");
    let before = allocations();
    for _ in 0..TIMES {
        let value: Small = serde_json::from_slice(&json).expect("it was JSON a moment ago");
        std::hint::black_box(value);
    }
    (allocations() - before) / f64::from(TIMES)
}
