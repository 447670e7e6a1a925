//! What a miss of a lone caller costs beyond the GET and the SETEX that nobody can do without.

use std::time::{Duration, Instant};

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::contenders::ours;
use crate::measure::median;
use crate::options::Effort;
use crate::server::Server;
use crate::values::{TTL_SECONDS, cold_key};

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Miss {
    pub by_hand_micros: f64,
    pub ours_micros: f64,
    /// Of the two in the same round.
    pub ratio: f64,
}

impl Miss {
    pub fn measure(runtime: &Handle, server: &Server, effort: Effort) -> Self {
        let client = redis::Client::open(server.url()).expect("the URL is made here");
        let all = async move {
            let connection = client.get_multiplexed_async_connection().await;
            let mut connection = connection.expect("the server is there");
            let mut rounds = Vec::new();
            for _ in 0..effort.rounds {
                rounds.push(round(&mut connection, effort.calls).await);
            }
            rounds
        };
        // On a worker, where calls of a program are.
        let rounds = runtime
            .block_on(runtime.spawn(all))
            .expect("the server answers");
        Self {
            by_hand_micros: median(rounds.iter().map(|(by_hand, _)| *by_hand)),
            ours_micros: median(rounds.iter().map(|(_, ours)| *ours)),
            ratio: median(rounds.iter().map(|(by_hand, ours)| ours / by_hand)),
        }
    }
}

/// The medians of one round, in microseconds.
async fn round(connection: &mut MultiplexedConnection, calls: u32) -> (f64, f64) {
    let (mut by_hand, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..calls {
        by_hand.push(timed(get_and_setex(connection, cold_key())).await);
        ours.push(timed(ours::empty(cold_key())).await);
    }
    let micros = |times: Vec<Duration>| median(times.iter().map(|of| of.as_secs_f64() * 1e6));
    (micros(by_hand), micros(ours))
}

async fn get_and_setex(connection: &mut MultiplexedConnection, id: u64) -> u64 {
    let key = format!("miss by hand:{id}");
    let stored: Option<Vec<u8>> = connection.get(&key).await.expect("the server answers");
    assert!(stored.is_none(), "a cold key holds nothing");
    let json = serde_json::to_vec(&id).expect("a number is JSON");
    let set = connection.set_ex::<_, _, ()>(&key, json, TTL_SECONDS).await;
    set.expect("the server answers");
    id
}

async fn timed(work: impl Future) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}
