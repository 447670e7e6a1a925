//! A body that never ends costs its own callers, and not those who come later.

use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, blocking, observe, read_through};

use crate::support::Server;

/// Calls until one call loads and stores, and another is a hit.
async fn stores_again<F: Future<Output = (u64, Seen)>>(call: impl Fn() -> F) {
    let start = Instant::now();
    while call().await.1 != Seen::Loaded {
        assert!(start.elapsed() < Duration::from_secs(10), "never stored");
    }
    assert_eq!(call().await, (7, Seen::Stored));
}

thread_local! {
    /// The next body of this test hangs.
    static HANGS: Cell<bool> = const { Cell::new(false) };
}

async fn body() -> u64 {
    if HANGS.replace(false) {
        pending::<()>().await;
    }
    7
}

#[read_through(name = "leased", ttl = 600, follow = "200ms", lease = "100ms")]
async fn leased() -> u64 {
    body().await
}

#[read_through(name = "unleased", ttl = 600, follow = "200ms", lease = false)]
async fn unleased() -> u64 {
    body().await
}

/// Polls a call until its body hangs.
async fn hang<F: Future + Unpin>(call: &mut F) {
    HANGS.set(true);
    while HANGS.get() {
        assert!(futures_util::poll!(&mut *call).is_pending());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_leader_that_is_not_polled_is_followed() {
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        let mut hung = Box::pin(cache.scope(leased()));
        hang(&mut hung).await;
        stores_again(|| cache.scope(observe(leased()))).await;

        let mut hung = Box::pin(cache.scope(unleased()));
        hang(&mut hung).await;
        stores_again(|| cache.scope(observe(unleased()))).await;
    }
}

#[tokio::test]
async fn a_hung_body_is_followed_by_another() {
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        let mut hung = Box::pin(cache.scope(leased()));
        hang(&mut hung).await;
        let hung = tokio::spawn(hung);
        stores_again(|| cache.scope(observe(leased()))).await;
        hung.abort();
    }
}

#[test]
fn a_hung_sync_body_is_followed_by_another() {
    static HANGS: AtomicBool = AtomicBool::new(true);
    static GATES: std::sync::Mutex<Option<mpsc::Receiver<()>>> = std::sync::Mutex::new(None);
    #[read_through(name = "sync", ttl = 600, follow = "200ms", lease = "100ms")]
    fn load() -> u64 {
        if HANGS.swap(false, SeqCst) {
            let gate = GATES.lock().unwrap().take().unwrap();
            // Until the test is over.
            let _ = gate.recv();
        }
        7
    }
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        let (open, gate) = mpsc::channel();
        *GATES.lock().unwrap() = Some(gate);
        HANGS.store(true, SeqCst);
        let inside = cache.clone();
        let hung = std::thread::spawn(move || {
            let _inside = inside.enter();
            load()
        });
        while HANGS.load(SeqCst) {
            std::thread::yield_now();
        }
        let _inside = cache.enter();
        pollster::block_on(stores_again(async || blocking::observe(load)));
        drop(open);
        assert_eq!(hung.join().unwrap(), 7);
    }
}
