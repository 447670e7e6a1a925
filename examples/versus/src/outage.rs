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

/// How long a cache may take to find out that its server is away.
const SETTLING: Duration = Duration::from_secs(2);

/// Microseconds that a call takes beyond its body, which costs nothing here.
pub fn added_micros(runtime: &Handle, effort: Effort) -> f64 {
    let server = Server::start();
    let cache = Cache::open(server.url()).expect("the URL is made here");
    runtime
        .block_on(runtime.spawn(cache.scope(ours::empty(cold_key()))))
        .expect("it returns");
    drop(server);
    let observed = cache.clone();
    let calls = async move {
        let began = Instant::now();
        while !observed.stats().server().away {
            assert!(began.elapsed() < SETTLING, "the server is still looked for");
            ours::empty(cold_key()).await;
            // These calls never wait, and what finds it out runs on this runtime, too.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds {
            let cached = round(effort.slice, ours::empty).await;
            rounds.push(cached - round(effort.slice, body).await);
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

async fn round<F: Future>(slice: Duration, call: impl Fn(u64) -> F) -> f64 {
    let began = Instant::now();
    let mut made = 0_u32;
    while began.elapsed() < slice {
        black_box(call(cold_key()).await);
        made += 1;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(made)
}
