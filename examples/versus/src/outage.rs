//! What the cache adds to a call while Redis is down.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cache_runtime::Cache;
use tokio::runtime::Handle;

use crate::contenders::ours;
use crate::measure::median;
use crate::options::Effort;
use crate::server::Server;
use crate::values::cold_key;

/// Until then it may still be finding out.
const SETTLING: Duration = Duration::from_millis(500);

/// No round takes longer, however much a call adds.
const LONGEST_ROUND: Duration = Duration::from_millis(100);

/// Microseconds that a call takes beyond its body, which costs nothing here.
pub fn added_micros(runtime: &Handle, effort: Effort) -> f64 {
    let server = Server::start();
    let cache = Cache::open(server.url()).expect("the URL is made here");
    runtime
        .block_on(runtime.spawn(cache.scope(ours::empty(cold_key()))))
        .expect("it returns");
    drop(server);
    let calls = async move {
        let began = Instant::now();
        while began.elapsed() < SETTLING {
            ours::empty(cold_key()).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds {
            let cached = round(effort.calls, ours::empty).await;
            rounds.push(cached - round(effort.calls, body).await);
        }
        median(rounds.into_iter())
    };
    runtime
        .block_on(runtime.spawn(cache.scope(calls)))
        .expect("bodies return while Redis is down")
}

/// What is called, without a cache.
async fn body(id: u64) -> u64 {
    id
}

async fn round<F: Future>(calls: u32, call: impl Fn(u64) -> F) -> f64 {
    let began = Instant::now();
    let mut made = 0;
    while made < calls && began.elapsed() < LONGEST_ROUND {
        black_box(call(cold_key()).await);
        made += 1;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(made)
}
