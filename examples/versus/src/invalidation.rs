//! How soon another process, with a copy of its own, sees that a value changed.

use std::time::{Duration, Instant};

use redis::Commands;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::contenders::{ours, ours_near};
use crate::measure::at;
use crate::server::Server;
use crate::values::{TTL_SECONDS, cold_key};
use crate::worker::{Worker, now_micros, wait_to_go};

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seen {
    pub p50_micros: f64,
    pub p99_micros: f64,
}

/// The role of the process that watches.
pub const ROLE: &str = "watch";

/// A watcher that sees nothing for so long ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes a value again and again; `None` if a change was not seen at all.
pub fn measure(server: &Server, changes: u32) -> Option<Seen> {
    let id = cold_key();
    let client = redis::Client::open(server.url()).expect("the URL is made here");
    let mut connection = client.get_connection().expect("the server is there");
    let mut watcher = Worker::start(ROLE, &[server.url(), &id.to_string()]);
    watcher.go();
    let key = ours_near::watched::key(id);
    let mut delays = Vec::new();
    for change in 1..=changes {
        // Any other program may replace a value.
        let set = connection.set_ex::<_, _, ()>(&key, change, TTL_SECONDS);
        set.expect("the server answers");
        let acknowledged = now_micros();
        loop {
            let line = watcher.line()?;
            let (value, at) = line
                .split_once(' ')
                .expect("the watcher says what and when");
            if value == change.to_string() {
                let at: f64 = at.parse().expect("the watcher says when as a number");
                // The push may be there before the writer's own answer.
                delays.push((at - acknowledged).max(0.0));
                break;
            }
        }
    }
    delays.sort_by(f64::total_cmp);
    Some(Seen {
        p50_micros: at(&delays, 0.5),
        p99_micros: at(&delays, 0.99),
    })
}

/// The process that watches.
pub fn work(runtime: &Handle, url: &str, id: u64) {
    ours::install(url);
    let watch = async move {
        // The first change may come before the first look.
        let (mut last, mut changed) = (None, Instant::now());
        while changed.elapsed() < PATIENCE {
            let value = ours_near::watched(id).await;
            if last != Some(value) {
                println!("{value} {}", now_micros());
                (last, changed) = (Some(value), Instant::now());
            }
            tokio::task::yield_now().await;
        }
    };
    if wait_to_go() {
        runtime
            .block_on(runtime.spawn(watch))
            .expect("watching does not panic");
    }
}
