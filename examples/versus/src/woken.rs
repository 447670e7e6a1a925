//! How soon a follower in another process has what a leader stored.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_runtime::{Cache, EventKind, Seen, observe};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::contenders::ours;
use crate::measure::at;
use crate::server::Server;
use crate::values::{self, cold_key};
use crate::worker::{Worker, now_micros, wait_for_word, wait_to_go};

const ROUNDS: usize = 100;

/// Microseconds from the leader's word that its value is stored to the follower's answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Woken {
    pub p50_micros: f64,
    pub p99_micros: f64,
    /// Rounds in which the other process waited; in the others it came too late.
    pub rounds: usize,
}

/// The role of the process that follows.
pub const ROLE: &str = "follow";

/// `None` if the other process never waited.
pub fn measure(runtime: &Handle, server: &Server) -> Option<Woken> {
    ours::install(server.url());
    let cache = Cache::current().expect("it was just installed");
    let filled_at = Arc::new(Mutex::new(f64::NAN));
    let noted = filled_at.clone();
    let _listening = cache.on_event(move |event| {
        if event.kind == EventKind::Filled {
            *noted.lock().expect("no holder panics") = now_micros();
        }
    });
    let mut follower = Worker::start(ROLE, &[server.url(), "0"]);
    follower.go();
    let mut delays = Vec::new();
    for _ in 0..ROUNDS {
        let (key, before) = (cold_key(), values::bodies());
        let leading = runtime.spawn(ours::slow(key));
        while values::bodies() == before {
            std::thread::sleep(Duration::from_micros(100));
        }
        // The lease is taken, and the body has begun.
        follower.say(&key.to_string());
        let answered = follower.line()?;
        runtime.block_on(leading).expect("a slow body returns");
        if let Ok(answered_at) = answered.parse::<f64>() {
            let filled_at = *filled_at.lock().expect("no holder panics");
            // The push may be there before the leader has its own answer.
            delays.push((answered_at - filled_at).max(0.0));
        }
    }
    delays.sort_by(f64::total_cmp);
    let rounds = delays.len();
    (rounds > 0).then(|| Woken {
        p50_micros: at(&delays, 0.5),
        p99_micros: at(&delays, 0.99),
        rounds,
    })
}

/// The process that follows.
pub fn work(runtime: &Handle, url: &str) {
    ours::install(url);
    // Connected before the first round.
    let connect = async { ours::empty(0).await };
    runtime
        .block_on(runtime.spawn(connect))
        .expect("a body returns");
    if !wait_to_go() {
        return;
    }
    while let Some(key) = wait_for_word() {
        let key = key.parse().expect("a follower is given a number");
        let call = async move {
            let (_, seen) = observe(ours::slow(key)).await;
            (seen, now_micros())
        };
        let (seen, at) = runtime.block_on(runtime.spawn(call)).expect("it returns");
        match seen {
            Seen::Joined => println!("{at}"),
            seen => println!("{seen:?}"),
        }
    }
}
