//! A lone caller reads on a connection of its own, and never another's answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, read_through};

use crate::proxy::Proxy;
use crate::support::{Monitor, Sent, Server, connections, patient, runtime};

fn runs(cache: &Cache) -> u64 {
    cache.stats().function("lone").map_or(0, |of| of.loads)
}

#[read_through(name = "lone", ttl = 600)]
async fn doubled(n: u64) -> u64 {
    n * 2
}

const KEYS: u64 = 8;

async fn read_all(cache: &Cache) {
    for n in 0..KEYS {
        assert_eq!(cache.scope(doubled(n)).await, n * 2);
    }
}

/// Which connections the server is sent commands of this name on while two read at the same time, of whom
/// the first finds nobody before him.
fn on<'a>(sent: &'a [Sent], command: &str) -> BTreeSet<&'a str> {
    connections(sent, &[command], "lone")
}

/// Reads until a lone reader goes another way than those who read together. Its connection.
async fn alone(server: &Server, cache: &Cache) -> String {
    let began = Instant::now();
    loop {
        read_all(cache).await;
        let monitor = Monitor::of(server);
        let two = tokio::join!(cache.scope(doubled(1)), cache.scope(doubled(2)));
        assert_eq!(two, (2, 4));
        let sent = monitor.end(server);
        let (lone, together) = (on(&sent, "GET"), on(&sent, "MGET"));
        if lone.len() == 1 && together.len() == 1 && lone != together {
            return lone.into_iter().collect();
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{sent:?}");
    }
}

/// On a runtime of its own, since its connections are those of this test.
fn lone(test: impl AsyncFnOnce()) {
    runtime().block_on(test());
}

#[test]
fn lone_reads_have_a_connection_of_their_own_once_they_are_frequent() {
    lone(async || {
        let server = Server::start();
        let cache = server.patient();
        let first = alone(&server, &cache).await;
        let monitor = Monitor::of(&server);
        read_all(&cache).await;
        assert_eq!(on(&monitor.end(&server), "GET"), [first.as_str()].into());
        assert_eq!(runs(&cache), KEYS);
    });
}

#[test]
fn a_lone_reader_is_who_the_url_says_and_reads_the_database_that_it_names() {
    lone(async || {
        let server = Server::start();
        let rights = ["ACL", "SETUSER", "reader", "on", ">word", "~*", "+@all"];
        server.cli(&rights);
        let url = format!("redis://reader:word@127.0.0.1:{}/3", server.port());
        let cache = patient(&url);
        let connection = alone(&server, &cache).await;
        assert_eq!(runs(&cache), KEYS);
        let clients = server.cli(&["CLIENT", "LIST"]);
        // `3 127.0.0.1:4242`, as MONITOR says it.
        let (database, address) = connection.split_once(' ').unwrap();
        assert_eq!(database, "3");
        let own = clients.lines().find(|of| of.contains(address)).unwrap();
        assert!(own.contains("user=reader"), "{own}");
    });
}

#[test]
fn a_lone_reader_whose_connection_ends_reads_on_without_an_error() {
    lone(async || {
        let server = Server::start();
        let cache = server.patient();
        for _ in 0..3 {
            let connection = alone(&server, &cache).await;
            let (_, address) = connection.split_once(' ').unwrap();
            server.cli(&["CLIENT", "KILL", "ADDR", address]);
            read_all(&cache).await;
        }
        assert_eq!(runs(&cache), KEYS);
    });
}

#[test]
fn a_reader_who_left_leaves_no_answer_for_the_next() {
    const ANSWERS_AFTER: Duration = Duration::from_millis(20);
    lone(async || {
        let server = Server::start();
        let proxy = Proxy::before(server.port());
        let cache = patient(&proxy.url());
        for _ in 0..5 {
            alone(&server, &cache).await;
            proxy.delay(ANSWERS_AFTER);
            let leaves = cache.scope(doubled(7));
            let left = tokio::time::timeout(ANSWERS_AFTER / 4, leaves).await;
            assert!(left.is_err(), "it was answered before it left");
            read_all(&cache).await;
            proxy.delay(Duration::ZERO);
        }
        assert_eq!(runs(&cache), KEYS);
    });
}

#[test]
fn an_answer_that_is_late_is_nobodys() {
    const DEADLINE: Duration = Duration::from_millis(200);
    lone(async || {
        let server = Server::start();
        let config = Config::new(server.url()).response_timeout(DEADLINE);
        let cache = Cache::new(config).unwrap();
        for round in 1..=3 {
            alone(&server, &cache).await;
            server.freeze();
            let began = Instant::now();
            assert_eq!(cache.scope(doubled(7)).await, 14);
            assert!(began.elapsed() < 2 * DEADLINE, "{:?}", began.elapsed());
            server.thaw();
            read_all(&cache).await;
            let began = Instant::now();
            while cache.ping().await.is_err() {
                assert!(began.elapsed() < 10 * DEADLINE, "round {round}");
            }
        }
    });
}

#[test]
fn junk_is_nobodys_value() {
    lone(async || {
        let server = Server::start();
        let proxy = Proxy::before(server.port());
        let cache = Cache::open(&proxy.url()).unwrap();
        alone(&server, &cache).await;
        proxy.corrupt(true);
        read_all(&cache).await;
        proxy.corrupt(false);
        while cache.ping().await.is_err() {}
        alone(&server, &cache).await;
    });
}

#[test]
fn a_large_value_that_nobody_expected_comes_whole() {
    #[read_through(name = "lone-large", ttl = 600)]
    async fn large(n: usize) -> String {
        "x".repeat(n)
    }

    const LENGTH: usize = 300_000;
    lone(async || {
        let server = Server::start();
        let url = server.url();
        let writer = patient(&url);
        assert_eq!(writer.scope(large(LENGTH)).await.len(), LENGTH);
        let reader = patient(&url);
        alone(&server, &reader).await;
        assert_eq!(reader.scope(large(LENGTH)).await.len(), LENGTH);
        read_all(&reader).await;
        let stats = reader.stats();
        assert_eq!(stats.function("lone-large").unwrap().hits, 1);
    });
}
