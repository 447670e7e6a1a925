//! The consistency protocol as a model: every order in which things can happen is tried.
//!
//! The model is one key. Callers in two or three processes read it, change the source behind it,
//! invalidate, put and refresh; a server holds the key and its refresh key, and takes one command
//! at a time. Replies get lost and commands arrive late, keys expire or are evicted, bodies fail,
//! processes die. A scenario allows a few operations and a few faults, and then each state that
//! these can lead to is looked at: whether a reader was handed an outdated value, whether two
//! bodies ran at once, whether a call can get stuck.
//!
//! What is left out:
//!
//! - Time. Whatever may expire does so at any moment, so no promise rests on how long a lease is;
//!   heartbeats, jitter and backoff only make the good orders likelier.
//! - Values. A value is the version of the source that its body read. A body reads the source at
//!   one moment, and the source never answers with an older version than it did before.
//! - Batches, the breaker, redirects of a cluster, and invalidations that are owed.
//! - More callers. Every fault known so far shows with at most four, and in under thirty steps.
//!
//! The scenarios that are quick are tests of their own. All of them:
//!
//! ```text
//! cargo test --release --test model -- --ignored --nocapture
//! ```

mod call;
mod companion;
mod faults;
mod flight;
mod loads;
mod near;
mod process;
mod redis;
mod reply;
mod rules;
mod scenarios;
mod stale;
mod world;

#[test]
#[ignore = "tries some millions of states"]
fn every_scenario_has_its_verdict() {
    scenarios::run(&[loads::ALL, stale::ALL, companion::ALL, near::ALL].concat());
}
