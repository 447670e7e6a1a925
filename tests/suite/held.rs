//! Reads whose callers do not look at them any more, and those who come after them.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, observe, read_through};
use futures_util::poll;

use crate::support::{Server, runtime};

#[read_through(name = "held", ttl = 60)]
async fn value(id: u64) -> u64 {
    id
}

/// Calls that were polled once, one after the other, so that they are on their way, and then left.
/// Meanwhile the server stands still, lest it should answer one before the next.
async fn on_their_way(
    server: &Server,
    cache: &Cache,
    count: usize,
) -> Vec<impl Future<Output = u64> + use<>> {
    server.freeze();
    let mut calls = Vec::new();
    for _ in 0..count {
        let mut call = Box::pin(cache.scope(value(0)));
        assert!(poll!(&mut call).is_pending());
        calls.push(call);
    }
    server.thaw();
    calls
}

/// As a stream of several calls is while its consumer does something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_nobody_looks_at_keeps_nobody_else_waiting() {
    let server = Server::start();
    let cache = server.cache();
    cache.scope(value(0)).await;
    for round in 0..3 {
        let held = on_their_way(&server, &cache, 1).await;
        let began = Instant::now();
        for _ in 0..10 {
            let other = tokio::time::timeout(Duration::from_secs(2), cache.scope(value(0)));
            assert_eq!(other.await, Ok(0), "round {round}");
        }
        let took = began.elapsed();
        assert!(took < Duration::from_millis(500), "round {round}: {took:?}");
        for held in held {
            assert_eq!(held.await, 0);
        }
    }
}

/// Nor one that is dropped where there is no runtime, while others wait behind it.
#[test]
fn a_read_that_is_dropped_outside_of_its_runtime_keeps_nobody_waiting() {
    let server = Server::start();
    let cache = server.cache();
    let runtime = runtime();
    runtime.block_on(cache.scope(value(0)));
    for _ in 0..3 {
        let mut held = runtime.block_on(on_their_way(&server, &cache, 2));
        let waiting = held.pop().unwrap();
        drop(held);
        let answer = async { tokio::time::timeout(Duration::from_secs(2), waiting).await };
        assert_eq!(runtime.block_on(answer), Ok(0));
    }
}

/// A thread that waits inside of a runtime that ends has its value by the body.
#[test]
fn a_call_in_a_runtime_that_ends_is_answered() {
    let server = Server::start();
    let cache = server.cache();
    let runtime = runtime();
    runtime.block_on(cache.scope(value(0)));
    let handle = runtime.handle().clone();
    let calls = runtime.block_on(on_their_way(&server, &cache, 3));
    runtime.shutdown_timeout(Duration::from_millis(100));
    for call in calls {
        let (handle, (answered, answer)) = (handle.clone(), mpsc::channel());
        std::thread::spawn(move || answered.send(handle.block_on(call)));
        assert_eq!(answer.recv_timeout(Duration::from_secs(5)), Ok(0));
    }
}

/// A call whose client gave up says nothing of the server, which has answered meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_left_costs_no_later_one_its_hit() {
    let server = Server::start();
    let cache = server.cache();
    cache.scope(value(0)).await;
    for round in 0..3 {
        drop(on_their_way(&server, &cache, 1).await);
        // Longer than an answer may take, in which nobody else asks.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let callers = (0..3).map(|_| tokio::spawn(cache.scope(observe(value(0)))));
        for call in callers.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), (0, Seen::Stored), "round {round}");
        }
    }
}

#[test]
fn a_detached_load_does_not_keep_its_runtime_from_ending() {
    #[read_through(ttl = 60, detach)]
    async fn endless(id: u64) -> u64 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        id
    }

    let cache = Cache::in_memory();
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let handle = runtime.handle().clone();
        let waiting = runtime.spawn_blocking(move || handle.block_on(cache.scope(endless(1))));
        std::thread::sleep(Duration::from_millis(50));
        drop(runtime);
        ended.send(waiting).unwrap();
    });
    let waiting = end.recv_timeout(Duration::from_secs(5)).expect("it ends");
    assert!(pollster::block_on(waiting).unwrap_err().is_panic());
}

fn until_a_token_stands_under(server: &Server, key: &str) {
    let began = Instant::now();
    while !server.cli(&["GET", key]).starts_with("null") {
        assert!(began.elapsed() < Duration::from_secs(5), "there is none");
    }
}

/// A value that is put takes two commands, between which its caller may leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_is_left_half_way_locks_nothing() {
    let server = Server::start();
    let cache = server.cache();
    cache.scope(value(1)).await;
    server.freeze();
    let mut put = Box::pin(cache.scope(value::put(1, &7)));
    assert!(poll!(&mut put).is_pending());
    server.thaw();
    // Its first command is done, and nobody goes on with the second one.
    let key = cache.scope(async { value::key(1) }).await;
    until_a_token_stands_under(&server, &key);
    drop(put);
    let began = Instant::now();
    assert_eq!(cache.scope(value(1)).await, 1);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_left_on_its_way_locks_nothing() {
    let server = Server::start();
    let cache = server.cache();
    cache.scope(value(1)).await;
    cache.scope(value::invalidate(1)).await.unwrap();
    server.freeze();
    let mut refresh = Box::pin(cache.scope(value::refresh(1)));
    assert!(poll!(&mut refresh).is_pending());
    server.thaw();
    let key = cache.scope(async { value::key(1) }).await;
    until_a_token_stands_under(&server, &key);
    drop(refresh);
    let began = Instant::now();
    assert_eq!(cache.scope(value(1)).await, 1);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}
