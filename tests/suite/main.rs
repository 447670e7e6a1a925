//! The promises of the crate, each on real servers, threads and processes.

mod agree;
mod attributes;
mod behind;
mod burst;
#[cfg(feature = "cluster")]
mod cluster;
mod coherence;
mod deadlocks;
mod edges;
mod ending;
#[cfg(feature = "testing")]
mod failing;
mod fence;
mod fleet;
mod foreign;
mod foreign_code;
mod forked;
mod held;
mod hidden;
mod hung_bodies;
mod hung_refreshes;
mod key_vectors;
mod keys;
mod large;
mod lasting_errors;
mod lone;
mod longest;
mod lossy;
mod main_job;
#[cfg(all(feature = "metrics", feature = "testing"))]
mod metrics;
mod names;
mod near;
mod no_threads;
#[cfg(feature = "cluster")]
mod one_node;
mod outage;
mod panics;
#[allow(dead_code, reason = "the drills use the rest")]
mod proxy;
mod refusals;
mod returns;
mod rights;
mod runtimes;
#[path = "../scenarios/mod.rs"]
#[allow(dead_code, reason = "the drills print the rest")]
mod scenarios;
mod scripts;
mod secrets;
#[cfg(feature = "sentinel")]
mod sentinel;
mod shapes;
mod shutdown;
mod slow;
mod stampede;
mod starvation;
mod stored_data;
mod stories;
mod support;
mod threads;
#[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
mod tls;
mod turns;
mod unstorable;
mod watched;
mod which_cache;
