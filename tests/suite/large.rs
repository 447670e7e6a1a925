//! Values over 64 KB travel apart, so that small ones do not wait behind them. The server's own word
//! (MONITOR) tells what came on which connection.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, Seen, blocking, observe, read_through};

use crate::proxy::Proxy;
use crate::support::{Monitor, READS, Sent, Server, connections};

const LARGE: usize = 100_000;

#[read_through(name = "small", ttl = 60)]
async fn small(id: u64) -> u64 {
    id
}

#[read_through(name = "large", ttl = 60)]
async fn large(id: u64) -> String {
    id.to_string().repeat(LARGE)
}

#[read_through(name = "megabyte", ttl = 60)]
async fn megabyte(_id: u64) -> String {
    "x".repeat(1_000_000)
}

#[read_through(name = "huge", ttl = 60)]
async fn huge(id: u64) -> String {
    id.to_string().repeat(8_000_000)
}

#[read_through(name = "copied", ttl = 60, near)]
async fn copied(id: u64) -> String {
    id.to_string().repeat(LARGE)
}

#[read_through(name = "small_sync", ttl = 60)]
fn small_sync(id: u64) -> u64 {
    id
}

#[read_through(name = "large_sync", ttl = 60)]
fn large_sync(id: u64) -> String {
    id.to_string().repeat(LARGE)
}

const LEASES: &[&str] = &["SET"];
/// The first one of a server that knows no script yet comes with the text.
const SCRIPTS: &[&str] = &["EVALSHA", "EVAL"];
/// Of the script that takes a lease on servers before Redis 7.0, its name and the script's included; that
/// which fills has one more.
const WORDS_OF_LEASE: usize = 6;
/// Where scripts are forbidden, by a transaction.
const FILLS_WITHOUT_SCRIPTS: &[&str] = &["SETEX"];

/// What came on connections of transactions, and the rest. Nobody else uses those meanwhile.
fn parted(sent: Vec<Sent>) -> (Vec<Sent>, Vec<Sent>) {
    let of_transactions = connections(&sent, &["WATCH"], "");
    let of_transactions: BTreeSet<_> = of_transactions.into_iter().map(str::to_owned).collect();
    sent.into_iter()
        .partition(|sent| of_transactions.contains(&sent.connection))
}

fn leases<'a>(server: &Server, sent: &'a [Sent], key: &str) -> BTreeSet<&'a str> {
    match server.sets_with_get() || !server.runs_scripts() {
        true => connections(sent, LEASES, key),
        false => scripts(sent, key, |words| words == WORDS_OF_LEASE),
    }
}

fn fills<'a>(sent: &'a [Sent], key: &str) -> BTreeSet<&'a str> {
    scripts(sent, key, |words| words > WORDS_OF_LEASE)
}

fn scripts<'a>(sent: &'a [Sent], key: &str, is: impl Fn(usize) -> bool) -> BTreeSet<&'a str> {
    let of = |sent: &&Sent| is(sent.command.split("\" \"").count());
    let each = sent.iter().filter(of);
    each.flat_map(|sent| connections(std::slice::from_ref(sent), SCRIPTS, key))
        .collect()
}

/// The only one.
fn one<'a>(connections: &BTreeSet<&'a str>) -> &'a str {
    assert_eq!(connections.len(), 1, "{connections:?}");
    connections.first().unwrap()
}

/// Each call of the future is in the lanes of the runtime's workers.
async fn spawned<F: Future<Output: Send> + Send + 'static>(cache: &Cache, call: F) -> F::Output {
    tokio::spawn(cache.scope(call)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_writes_and_large_values_each_have_a_connection() {
    let server = Server::start();
    let cache = server.cache();
    spawned(&cache, async { (small(1).await, large(1).await) }).await;
    let monitor = Monitor::of(&server);
    for id in [1, 1, 2, 2] {
        assert_eq!(spawned(&cache, small(id)).await, id);
        assert_eq!(spawned(&cache, large(id)).await.len(), LARGE);
    }
    let (alone, sent) = parted(monitor.end(&server));
    let of = |names, key| one(&connections(&sent, names, key));
    let (reads, apart) = (of(READS, ":small:"), of(READS, ":large:"));
    let writes = one(&leases(&server, &sent, ":small:2"));
    let of_large = leases(&server, &sent, ":large:2");
    assert_eq!(one(&of_large), writes, "a lease is small");
    let all = BTreeSet::from([reads, writes, apart]);
    assert_eq!(all.len(), 3, "{all:?}");
    if server.runs_scripts() {
        assert_eq!(one(&fills(&sent, ":small:2")), writes);
        let of_large = fills(&sent, ":large:2");
        assert_eq!(one(&of_large), apart, "what is filled is not");
    } else {
        for key in [":small:2", ":large:2"] {
            one(&connections(&alone, FILLS_WITHOUT_SCRIPTS, key));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_peeks_at_values_of_any_size_holds_up_no_lease() {
    let server = Server::start();
    let cache = server.cache();
    spawned(&cache, async { (small(1).await, large(1).await) }).await;
    let monitor = Monitor::of(&server);
    spawned(&cache, large::peek(1)).await.unwrap();
    let key = large::key(1);
    let by_hand = cache.clone();
    let by_hand = async move { by_hand.get::<String>(&key).await };
    spawned(&cache, by_hand).await.unwrap();
    spawned(&cache, small(2)).await;
    let sent = monitor.end(&server);
    let lease = one(&leases(&server, &sent, ":small:2")).to_owned();
    assert_ne!(one(&connections(&sent, READS, ":large:1")), lease);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_a_large_value_that_another_process_stored_knows_from_then_on() {
    let server = Server::start();
    spawned(&server.cache(), large(7)).await;
    // Another cache, as another process has it.
    let cache = server.cache();
    spawned(&cache, small(7)).await;
    let read = async |call| {
        let monitor = Monitor::of(&server);
        spawned(&cache, call).await;
        let sent = monitor.end(&server);
        one(&connections(&sent, READS, ":large:")).to_owned()
    };
    let first = read(large(7)).await;
    let second = read(large(7)).await;
    assert_ne!(first, second);
    assert_eq!(read(large(7)).await, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_of_small_values_has_no_connection_for_large_ones() {
    #[read_through(name = "of_size", ttl = 60, lease = false)]
    async fn of_size(bytes: usize) -> String {
        "x".repeat(bytes)
    }
    let server = Server::start();
    let cache = server.cache();
    let connections = || server.cli(&["CLIENT", "LIST"]).lines().count();
    for _ in 0..2 {
        spawned(&cache, of_size(10)).await;
    }
    let before = connections();
    spawned(&cache, of_size(LARGE)).await;
    assert_eq!(connections(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_many_read_what_is_huge_no_small_read_is_behind_it() {
    const CALLERS: u64 = 8;
    let server = Server::start();
    let config = server.config().max_value_bytes(16 << 20);
    // However slow the machine.
    let config = config.response_timeout(Duration::from_secs(10));
    let cache = Cache::new(config).unwrap();
    spawned(&cache, small(0)).await;
    for id in 0..4 {
        spawned(&cache, huge(id)).await;
    }
    let monitor = Monitor::of(&server);
    let huge = (0..CALLERS).map(|n| tokio::spawn(cache.scope(observe(huge(n % 4)))));
    let huge: Vec<_> = huge.collect();
    while !huge.iter().all(|call| call.is_finished()) {
        let (_, seen) = spawned(&cache, observe(small(0))).await;
        assert_eq!(seen, Seen::Stored);
    }
    for call in huge {
        assert_eq!(call.await.unwrap().1, Seen::Stored);
    }
    let sent = monitor.end(&server);
    let small = connections(&sent, READS, ":small:");
    assert!(small.is_disjoint(&connections(&sent, READS, ":huge:")));
    // Two would share one deadline.
    let of_two = |sent: &&Sent| sent.command.matches(":huge:").count() > 1;
    assert!(sent.iter().find(of_two).is_none());
    assert_eq!(cache.stats().server().outages, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_read_what_nobody_has_seen_yet_do_not_ask_for_it_all_at_once() {
    const CALLERS: u64 = 32;
    let server = Server::start();
    let filling = server.cache();
    for id in 0..CALLERS {
        spawned(&filling, megabyte(id)).await;
    }
    let cache = server.cache();
    spawned(&cache, small(0)).await;
    let monitor = Monitor::of(&server);
    let calls = (0..CALLERS).map(|id| tokio::spawn(cache.scope(megabyte(id))));
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let sent = monitor.end(&server);
    let keys = |sent: &Sent| sent.command.matches(":megabyte:").count();
    assert!(sent.iter().all(|sent| keys(sent) <= 8), "{sent:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_value_that_is_late_says_nothing_of_the_server() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let config = Config::new(proxy.url()).response_timeout(Duration::from_millis(300));
    let cache = Cache::new(config).unwrap();
    spawned(&cache, async { (small(1).await, large(1).await) }).await;
    proxy.drip(4096, Duration::from_millis(40));
    for _ in 0..2 {
        let late = (0..12).map(|_| tokio::spawn(cache.scope(observe(large(1)))));
        let late: Vec<_> = late.collect();
        while !late.iter().all(|call| call.is_finished()) {
            let (_, seen) = spawned(&cache, observe(small(1))).await;
            assert_eq!(seen, Seen::Stored);
        }
        for call in late {
            let (value, seen) = call.await.unwrap();
            assert_eq!(value.len(), LARGE);
            assert_ne!(seen, Seen::Stored);
        }
    }
    assert_eq!(cache.stats().server().outages, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_new_connection_can_be_made_one_call_waits_for_it_and_not_each() {
    const LIMIT: Duration = Duration::from_secs(1);
    let server = Server::start();
    spawned(&server.cache(), large(1)).await;
    let proxy = Proxy::before(server.port());
    let cache = Cache::new(Config::new(proxy.url()).connect_timeout(LIMIT)).unwrap();
    // From now on it knows that these values have another connection, which nobody needed yet.
    spawned(&cache, async { (small(1).await, large(1).await) }).await;
    proxy.swallow_new(true);
    spawned(&cache, large(1)).await;
    for _ in 0..6 {
        // All is well with the connections that there are.
        let (_, seen) = spawned(&cache, observe(small(1))).await;
        assert_eq!(seen, Seen::Stored);
        let began = Instant::now();
        let (_, seen) = spawned(&cache, observe(large(1))).await;
        assert_eq!(seen, Seen::Bypassed);
        assert!(began.elapsed() < LIMIT / 2, "{:?}", began.elapsed());
    }
    proxy.swallow_new(false);
    let is_stored = async || spawned(&cache, observe(large(1))).await.1 == Seen::Stored;
    let until_stored = async { while !is_stored().await {} };
    let until_stored = tokio::time::timeout(5 * LIMIT, until_stored);
    until_stored.await.expect("it is tried for again");
    assert_eq!(cache.stats().server().outages, 0);
}

#[test]
fn threads_do_not_wait_behind_large_values_either() {
    let server = Server::start();
    let cache = server.cache();
    let _inside = cache.enter();
    large_sync(1);
    // The connection for threads is made behind.
    while blocking::observe(|| small_sync(1)).1 != Seen::Stored {}
    let monitor = Monitor::of(&server);
    for _ in 0..10 {
        small_sync(1);
        large_sync(1);
    }
    let sent = monitor.end(&server);
    let small = connections(&sent, READS, ":small_sync:");
    let large = connections(&sent, READS, ":large_sync:");
    assert!(!small.is_empty() && !large.is_empty());
    assert!(small.is_disjoint(&large), "{small:?} {large:?}");
}

#[test]
fn threads_that_read_what_nobody_has_seen_yet_do_not_ask_for_it_all_at_once() {
    #[read_through(name = "megabyte_sync", ttl = 60)]
    fn megabyte_sync(_id: u64) -> String {
        "x".repeat(1_000_000)
    }
    const CALLERS: u64 = 32;
    let server = Server::start();
    let filling = server.cache();
    let inside = filling.enter();
    for id in 0..CALLERS {
        megabyte_sync(id);
    }
    drop(inside);
    filling.blocking().shutdown();
    while server.connections() > 0 {}
    // Another cache, as another process has it, with its connection for threads, which is made
    // behind.
    let config = server.config().response_timeout(Duration::from_secs(10));
    let cache = Cache::new(config).unwrap();
    let inside = cache.enter();
    while server.connections() < 3 {
        small_sync(1);
    }
    drop(inside);
    let monitor = Monitor::of(&server);
    server.freeze();
    std::thread::scope(|threads| {
        for id in 0..CALLERS {
            let cache = &cache;
            threads.spawn(move || {
                let _inside = cache.enter();
                megabyte_sync(id);
            });
        }
        // Until all of them have asked, or wait to be taken along.
        std::thread::sleep(Duration::from_millis(100));
        server.thaw();
    });
    let sent = monitor.end(&server);
    let keys = |sent: &Sent| sent.command.matches(":megabyte_sync:").count();
    assert!(sent.iter().all(|sent| keys(sent) <= 8), "{sent:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_near_function_has_copies_of_large_values_too() {
    let server = Server::start();
    let cache = server.cache();
    spawned(&cache, copied(1)).await;
    let near = async || spawned(&cache, observe(copied(1))).await.1 == Seen::Near;
    let until_near = async { while !near().await {} };
    let until_near = tokio::time::timeout(Duration::from_secs(5), until_near);
    until_near.await.expect("it is read where it is tracked");
    server.cli(&[
        "SET",
        &cache.scope(async { copied::key(1) }).await,
        "\"changed\"",
    ]);
    let until_changed = async { while spawned(&cache, copied(1)).await != "changed" {} };
    let until_changed = tokio::time::timeout(Duration::from_secs(5), until_changed);
    until_changed.await.expect("its change is told of");
}
