//! cache-runtime measured against its peers, on a Redis server that this starts.
//!
//! `cargo run --release` measures everything and prints the tables; see `options` for the rest. A
//! further peer is one file in `contenders` and one line in its list. What faults of the server do to
//! the callers of each is told by `cargo run --release --bin drills`; what a network between makes of
//! them, by `cargo run --release --bin network`.
//!
//! `taskset -c 0 cargo run --release` keeps callers and server on one core. In a virtual machine a
//! wake-up of another core takes tens of microseconds, now and then and for all alike, which would be
//! most of what is measured.

pub mod allocations;
pub mod burst;
pub mod chart;
pub mod contenders;
pub mod drills;
pub mod facts;
pub mod goals;
pub mod hits;
pub mod invalidation;
pub mod link;
pub mod measure;
pub mod miss;
pub mod near;
pub mod network;
pub mod open_loop;
pub mod options;
pub mod outage;
pub mod server;
pub mod stampede;
pub mod values;
pub mod woken;
pub mod worker;
