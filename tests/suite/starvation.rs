//! A machine that has no time for us is no server that is away.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::{Cache, read_through};

use crate::outage::{answers, doubled};
use crate::proxy::Proxy;
use crate::support::{Server, Worker, is_own_process, patient, runtime, say, tell, wait_to_go};

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

const INTERRUPTED: &str =
    "starvation::a_thread_that_is_stopped_while_it_waits_has_its_own_answer_and_no_other";

/// Linux ends the wait for a socket that has a deadline once its process was stopped and goes on
/// (signal(7)).
#[test]
fn a_thread_that_is_stopped_while_it_waits_has_its_own_answer_and_no_other() {
    const ANSWERS_AFTER: Duration = Duration::from_millis(20);
    if !is_own_process(INTERRUPTED) {
        let server = Server::start();
        let proxy = Proxy::before(server.port());
        let mut stopped = Worker::start(INTERRUPTED, &[("URL", &proxy.url())]);
        stopped.hears("ready");
        proxy.delay(ANSWERS_AFTER);
        for _ in 0..20 {
            stopped.stop_for(ANSWERS_AFTER / 4);
            std::thread::sleep(ANSWERS_AFTER / 2);
        }
        stopped.go();
        let told = stopped.end();
        assert_eq!((told.sum("wrong"), told.sum("runs")), (0, 8));
        return;
    }
    let cache = patient(&std::env::var("URL").unwrap());
    let _inside = cache.enter();
    let own = |n| u64::from(counted_sync(n) != n * 2);
    // Their own connection is made while the first of them go by the lanes.
    let mut wrong: u64 = (0..800).map(|n| own(n % 8)).sum();
    let goes = std::thread::spawn(wait_to_go);
    while !goes.is_finished() {
        wrong += (0..8).map(own).sum::<u64>();
    }
    tell("wrong", wrong);
    tell("runs", RUNS.load(Relaxed));
}

static RUNS: AtomicU64 = AtomicU64::new(0);

#[read_through(ttl = 60)]
fn counted_sync(n: u64) -> u64 {
    RUNS.fetch_add(1, Relaxed);
    n * 2
}
