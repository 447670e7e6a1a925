//! Whatever Redis does, the caller gets what the body returns.

use std::error::Error as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, EventKind, Invalidated, read_through};

use crate::proxy::Proxy;
use crate::support::{Server, free_port, in_own_process, is_own_process, runtime, until_back};

#[read_through(name = "async", ttl = 60)]
pub async fn doubled(n: u64) -> u64 {
    n * 2
}

#[read_through(name = "sync", ttl = 60)]
fn doubled_sync(n: u64) -> u64 {
    n * 2
}

pub async fn answers(cache: &Cache) {
    for n in 0..8 {
        assert_eq!(cache.scope(doubled(n)).await, n * 2);
        let _inside = cache.enter();
        assert_eq!(doubled_sync(n), n * 2);
    }
}

pub fn hits(cache: &Cache, function: &str) -> u64 {
    cache.stats().function(function).map_or(0, |of| of.hits)
}

#[tokio::test]
async fn a_server_that_was_never_there_stops_neither_start_nor_calls() {
    let cache = Cache::open(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    answers(&cache).await;
    let error = cache.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let stats = cache.stats();
    assert_eq!(stats.function("async").unwrap().bypassed, 8);
    assert_eq!(stats.function("sync").unwrap().bypassed, 8);
}

#[test]
fn the_first_ping_tells_what_the_server_cannot_be_reached_for() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let single = tokio::runtime::Builder::new_current_thread();
    for runtime in [runtime(), { single }.enable_all().build().unwrap()] {
        let cache = Cache::open(&url).unwrap();
        for _ in 0..5 {
            let error = runtime.block_on(cache.ping()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let cause = error.source().map(ToString::to_string);
            let told = cause.is_some_and(|cause| cause.contains("refused"));
            assert!(told, "{error:?}");
            let address = url.strip_prefix("redis://").unwrap();
            let text = error.to_string();
            assert!(text.contains(address) && text.contains("refused"), "{text}");
        }
    }
    let error = Cache::open(&url).unwrap().blocking().ping().unwrap_err();
    assert!(error.source().is_some(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_comes_later_is_found_without_any_further_doing() {
    let port = free_port();
    let cache = Cache::open(&format!("redis://127.0.0.1:{port}")).unwrap();
    answers(&cache).await;
    let _server = Server::start_at(port);
    until_back(&cache).await;
    answers(&cache).await;
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (8, 8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_network_does_the_caller_has_its_value() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let cache = Cache::open(&proxy.url()).unwrap();
    answers(&cache).await;
    for fault in ["cut", "junk", "slow"] {
        match fault {
            "cut" => proxy.cut(),
            "junk" => proxy.corrupt(true),
            _ => proxy.delay(Duration::from_millis(300)),
        }
        answers(&cache).await;
        answers(&cache).await;
        proxy.corrupt(false);
        proxy.delay(Duration::ZERO);
        until_back(&cache).await;
    }
    // The connection for reads may still be waiting for what was delayed.
    let start = Instant::now();
    loop {
        let before = hits(&cache, "async");
        answers(&cache).await;
        if hits(&cache, "async") - before == 8 {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{}",
            cache.stats()
        );
    }
}

#[tokio::test]
async fn a_killed_server_is_used_again_when_it_is_back() {
    let mut server = Server::start();
    let cache = server.cache();
    answers(&cache).await;
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (8, 8));
    server.kill();
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (8, 8));
    server.restart();
    until_back(&cache).await;
    answers(&cache).await;
    answers(&cache).await;
    assert_eq!((hits(&cache, "async"), hits(&cache, "sync")), (16, 16));
}

#[tokio::test]
async fn a_server_that_restarted_unnoticed_costs_no_call_its_hit() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    for n in 100..104 {
        // Each write is answered once it is on the disk, which may be busy: this is not about time.
        // And a new one each time: what is done behind the callers of the last one would notice.
        let cache = server.patient();
        cache.scope(doubled(100)).await;
        let stored = hits(&cache, "async");
        cache.scope(doubled::put(99, &198)).await.unwrap();
        server.kill();
        server.restart();
        match n {
            100 => {
                cache.scope(doubled(100)).await;
                assert_eq!(hits(&cache, "async"), stored + 1);
            }
            // Nor does it cost a value that is stored, by a load or by hand.
            101 => drop(cache.scope(doubled(n)).await),
            102 => cache.scope(doubled::put(n, &(n * 2))).await.unwrap(),
            _ => cache
                .set(format!("cache:async:{n}"), &(n * 2), None)
                .await
                .unwrap(),
        }
        assert_eq!(cache.scope(doubled::peek(n)).await.unwrap(), Some(n * 2));
    }
}

#[tokio::test]
async fn a_frozen_server_delays_a_call_by_the_deadline_and_no_more() {
    let server = Server::start();
    let cache = server.cache();
    answers(&cache).await;
    server.freeze();
    let start = Instant::now();
    assert_eq!(cache.scope(doubled(1)).await, 2);
    let late = start.elapsed();
    server.thaw();
    // Connecting and one answer are the configured limits; the rest is a slow machine.
    assert!(late < Duration::from_millis(350) * 3, "{late:?}");
    until_back(&cache).await;
    answers(&cache).await;
    assert!(hits(&cache, "async") >= 8);
}

#[tokio::test]
async fn a_lease_that_is_taken_after_the_deadline_keeps_nobody_waiting() {
    let server = Arc::new(Server::start());
    let cache = server.cache();
    answers(&cache).await;
    // From the miss on, what is sent is not read.
    let frozen = server.clone();
    let listening = cache.on_event(move |event| {
        if event.kind == EventKind::Miss {
            frozen.freeze();
        }
    });
    assert_eq!(cache.scope(doubled(100)).await, 200);
    drop(listening);
    server.thaw();
    until_back(&cache).await;
    let start = Instant::now();
    assert_eq!(cache.scope(doubled(100)).await, 200);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn an_invalidation_during_an_outage_is_owed_and_made_up_for() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let cache = server.patient();
    cache.scope(doubled(1)).await;
    server.kill();
    let queued = cache.scope(doubled::invalidate(1)).await.unwrap();
    assert_eq!(queued, Invalidated::Queued);
    server.restart();
    until_back(&cache).await;
    // The old value is there again, and is not read: the debt comes before the first command.
    assert_eq!(cache.scope(doubled::peek(1)).await.unwrap(), None);
    let loads = || cache.stats().function("async").unwrap().loads;
    let before = loads();
    cache.scope(doubled(1)).await;
    cache.scope(doubled(1)).await;
    assert_eq!(loads(), before + 1);
}

#[tokio::test]
async fn what_is_owed_is_made_up_for_without_any_further_call() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let cache = server.cache();
    cache.scope(doubled(1)).await;
    server.kill();
    let queued = cache.scope(doubled::invalidate(1)).await.unwrap();
    assert_eq!(queued, Invalidated::Queued);
    server.restart();
    let start = Instant::now();
    while server.cli(&["EXISTS", "cache:async:1"]) != "0" {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_server_is_away_no_call_waits_for_it() {
    let server = Server::start();
    let cache = server.cache();
    answers(&cache).await;
    server.freeze();
    while !cache.stats().server().away {
        answers(&cache).await;
    }
    let start = Instant::now();
    for _ in 0..10 {
        answers(&cache).await;
    }
    // 160 calls: one of them waiting for one answer would be 100 ms.
    assert!(start.elapsed() < Duration::from_millis(100), "{start:?}");
    assert!(cache.get::<u64>("key").await.is_err());
    server.thaw();
    until_back(&cache).await;
    assert!(!cache.stats().server().away);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swallowed_connection_costs_its_callers_one_deadline_and_is_no_outage() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let cache = Cache::open(&proxy.url()).unwrap();
    answers(&cache).await;
    proxy.swallow();
    let start = Instant::now();
    while hits(&cache, "async") < 8 || hits(&cache, "sync") < 8 {
        answers(&cache).await;
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{}",
            cache.stats()
        );
    }
    assert_eq!(cache.stats().server().outages, 0);
}

const NOTICES: &str = "outage::an_outage_is_told_of_once_when_it_begins_and_once_when_it_is_over";

#[test]
fn an_outage_is_told_of_once_when_it_begins_and_once_when_it_is_over() {
    if !is_own_process(NOTICES) {
        let printed = in_own_process(NOTICES, &[]);
        assert_eq!(printed.matches("WARN").count(), 1, "{printed}");
        assert_eq!(printed.matches("redis is away").count(), 1, "{printed}");
        assert!(printed.contains("cause="), "{printed}");
        assert_eq!(printed.matches("redis is back").count(), 1, "{printed}");
        assert!(!printed.contains("secret"), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let mut server = Server::start_with(&["--requirepass", "secret"]);
    let url = server.url().replace("redis://", "redis://:secret@");
    let cache = Cache::open(&url).unwrap();
    let (tell, told) = mpsc::channel();
    let _listening = cache.on_event(move |event| {
        if matches!(event.kind, EventKind::Lost | EventKind::Back) {
            tell.send(event.kind).unwrap();
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        answers(&cache).await;
        server.kill();
        while !cache.stats().server().away {
            answers(&cache).await;
        }
        answers(&cache).await;
        server.restart();
        until_back(&cache).await;
        answers(&cache).await;
    });
    let next = || told.recv_timeout(Duration::from_secs(5));
    assert_eq!((next(), next()), (Ok(EventKind::Lost), Ok(EventKind::Back)));
    assert_eq!(cache.stats().server().outages, 1);
}

const ASKS: &str = "outage::a_log_that_makes_calls_of_its_own_holds_up_nothing";

/// A log that looks something up for each of its lines.
#[derive(Clone)]
struct Asks(Cache);

impl Write for Asks {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _inside = self.0.enter();
        assert_eq!(doubled_sync(7), 14);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_makes_calls_of_its_own_holds_up_nothing() {
    if !is_own_process(ASKS) {
        in_own_process(ASKS, &[]);
        return;
    }
    // What this is about would hang for ever.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(20));
        eprintln!("it hangs");
        std::process::exit(1);
    });
    let mut server = Server::start();
    let cache = server.cache();
    let log = Asks(cache.clone());
    let log = tracing_subscriber::fmt().with_writer(move || log.clone());
    log.init();
    let inside = cache.clone();
    // All that waits here waits for the I/O thread. It ends with the process.
    std::thread::spawn(move || {
        let _inside = inside.enter();
        loop {
            assert_eq!(doubled_sync(8), 16);
        }
    });
    server.kill();
    within_seconds(|| cache.stats().server().away);
    server.restart();
    let before = hits(&cache, "sync");
    within_seconds(|| hits(&cache, "sync") > before + 8);
}

fn within_seconds(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
}

const PANICS: &str = "outage::a_panic_while_a_connection_is_made_is_not_the_end_of_it";

/// A log that fails, once, where it is told this.
#[derive(Clone)]
struct Fails {
    at: &'static str,
    once: Arc<AtomicBool>,
}

impl Fails {
    fn at(text: &'static str) -> Self {
        Self {
            at: text,
            once: Arc::default(),
        }
    }
}

impl Write for Fails {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(line);
        if line.contains(self.at) && !self.once.swap(true, Relaxed) {
            panic!("the log fails");
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PANICS_AT_THE_END: &str =
    "outage::a_log_that_panics_at_an_outage_is_not_the_end_of_the_cache";

#[test]
fn a_log_that_panics_at_an_outage_is_not_the_end_of_the_cache() {
    if !is_own_process(PANICS_AT_THE_END) {
        in_own_process(PANICS_AT_THE_END, &[]);
        return;
    }
    let fails = Fails::at("redis is away");
    let has_failed = fails.once.clone();
    let log = tracing_subscriber::fmt().with_writer(move || fails.clone());
    log.init();
    let mut server = Server::start();
    let cache = server.cache();
    let (tell, told) = mpsc::channel();
    let _listening = cache.on_event(move |event| {
        if event.kind == EventKind::Lost {
            tell.send(()).unwrap();
        }
    });
    let runtime = runtime();
    runtime.block_on(async {
        answers(&cache).await;
        server.kill();
        let start = Instant::now();
        // The call that finds out has to do with the log, too.
        while !has_failed.load(Relaxed) {
            assert!(start.elapsed() < Duration::from_secs(5));
            let call = cache.scope(async { doubled(1).await });
            let _ = tokio::spawn(call).await;
        }
        server.restart();
        until_back(&cache).await;
        let before = hits(&cache, "async");
        answers(&cache).await;
        answers(&cache).await;
        assert!(hits(&cache, "async") >= before + 8, "{}", cache.stats());
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(()));
}

#[test]
fn a_panic_while_a_connection_is_made_is_not_the_end_of_it() {
    if !is_own_process(PANICS) {
        in_own_process(PANICS, &[]);
        return;
    }
    // What the server refuses to a new connection.
    let fails = Fails::at("an invalidation that was owed");
    let has_failed = fails.once.clone();
    let log = tracing_subscriber::fmt().with_writer(move || fails.clone());
    log.init();
    let user = "--user default on nopass ~cache:* +@all";
    let mut server = Server::start_with(&Vec::from_iter(user.split(' ')));
    let cache = server.cache();
    // On the I/O thread, which ends with the process.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        answers(&cache).await;
        server.kill();
        while !cache.stats().server().away {
            answers(&cache).await;
        }
        let queued = cache.invalidate("not for us").await.unwrap();
        assert_eq!(queued, Invalidated::Queued);
        server.restart();
        let start = Instant::now();
        while !has_failed.load(Relaxed) || hits(&cache, "async") < 8 {
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{}",
                cache.stats()
            );
            answers(&cache).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
