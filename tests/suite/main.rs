//! The promises of the crate, each on real servers, threads and processes.

mod behind;
mod coherence;
mod edges;
#[cfg(feature = "testing")]
mod failing;
mod fence;
mod foreign;
mod key_vectors;
mod keys;
mod main_job;
#[cfg(all(feature = "metrics", feature = "testing"))]
mod metrics;
mod near;
mod outage;
mod proxy;
mod returns;
mod scripts;
mod secrets;
mod shapes;
mod stampede;
mod stories;
mod support;
mod threads;
mod which_cache;
