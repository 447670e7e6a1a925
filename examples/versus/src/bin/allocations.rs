//! Counts allocations per hit of every async contender on the server at the URL given, and prints
//! them as JSON; `versus` runs it.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use versus::allocations::Allocations;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let url = std::env::args().nth(1).expect("usage: allocations URL");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let counted = || INSTRUMENTED_SYSTEM.stats().allocations as f64;
    let allocations = Allocations::count(&url, runtime.handle(), &counted);
    let json = serde_json::to_string(&allocations).expect("numbers and names are JSON");
    println!("{json}");
}
