//! A machine that has no time for us is no server that is away.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::Cache;

use crate::outage::{answers, doubled};
use crate::support::{Server, Worker, is_own_process, runtime, say, tell, wait_to_go};

/// Keys that nobody asked for before, so that each call sends commands of its own.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    NEXT.fetch_add(1, Relaxed)
}

#[test]
fn a_blocked_runtime_is_no_dead_server() {
    const LONGER_THAN_A_DEADLINE: Duration = Duration::from_millis(250);
    let server = Server::start();
    let cache = server.cache();
    let runtime = runtime();
    runtime.block_on(async {
        let calls = (0..64).map(|_| {
            tokio::spawn(cache.scope(async move {
                for _ in 0..40 {
                    let n = fresh();
                    assert_eq!(doubled(n).await, n * 2);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }))
        });
        let calls: Vec<_> = calls.collect();
        for _ in 0..6 {
            // What drives the connection is to run next on the very worker that is blocked then,
            // where no other takes it from.
            let blocks = tokio::spawn(cache.scope(async {
                let mut call = pin!(doubled(fresh()));
                let _ = futures_util::poll!(call.as_mut());
                std::thread::sleep(LONGER_THAN_A_DEADLINE);
                call.await;
            }));
            blocks.await.unwrap();
            tokio::spawn(async { std::thread::sleep(LONGER_THAN_A_DEADLINE) });
            tokio::spawn(async { std::thread::sleep(LONGER_THAN_A_DEADLINE) });
            tokio::time::sleep(LONGER_THAN_A_DEADLINE).await;
        }
        for call in calls {
            call.await.unwrap();
        }
    });
    assert_eq!(cache.stats().server().outages, 0);
}

const STOPPED: &str = "starvation::a_process_that_was_stopped_does_not_take_its_server_for_dead";

#[test]
fn a_process_that_was_stopped_does_not_take_its_server_for_dead() {
    if !is_own_process(STOPPED) {
        let server = Server::start();
        let mut stopped = Worker::start(STOPPED, &[("URL", &server.url())]);
        stopped.hears("calling");
        for _ in 0..3 {
            stopped.stop_for(Duration::from_millis(400));
            std::thread::sleep(Duration::from_millis(100));
        }
        stopped.go();
        let told = stopped.end();
        assert_eq!(told.values("outages").collect::<Vec<_>>(), [0]);
        return;
    }
    let cache = Cache::open(&std::env::var("URL").unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let calling = cache.clone();
    runtime.spawn(cache.scope(async move {
        loop {
            answers(&calling).await;
        }
    }));
    say("calling");
    wait_to_go();
    tell("outages", cache.stats().server().outages);
}
