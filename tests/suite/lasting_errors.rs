//! Errors that no waiting cures: every verb names the cause, from the first time on, and annotated
//! functions run their bodies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use cache_runtime::{
    Cache, Config, Error, ErrorKind, Invalidated, blocking, invalidate, read_through,
};

use crate::support::{Server, free_port};

#[read_through(name = "square", ttl = 60)]
async fn square(n: u64) -> u64 {
    n * n
}

#[read_through(name = "cube", ttl = 60)]
fn cube(n: u64) -> u64 {
    n * n * n
}

type Verb = (&'static str, fn(&Cache) -> Result<(), Error>);

/// Each verb that can fail. All of them wait on the calling thread.
const VERBS: &[Verb] = &[
    ("ping", |cache| cache.blocking().ping()),
    ("get", |cache| cache.blocking().get::<u64>("key").map(drop)),
    ("set", |cache| cache.blocking().set("key", &1, None)),
    ("set too large", |cache| {
        let large = "x".repeat(2 << 20);
        match cache.blocking().set("key", &large, None) {
            // What it would have stored is known to be wrong before the server is asked.
            Err(error) if error.kind() == ErrorKind::TooLarge => cache.blocking().ping(),
            other => other,
        }
    }),
    ("invalidate", |cache| {
        cache.blocking().invalidate("key").map(drop)
    }),
    ("peek", |_| cube::peek(2).map(drop)),
    ("peek_many", |_| cube::peek_many([2, 3]).map(drop)),
    ("put", |_| cube::put(2, &8)),
    ("invalidate of the companion", |_| {
        cube::invalidate(2).map(drop)
    }),
    ("invalidate of a call", |_| {
        blocking::invalidate(|| cube(2)).map(drop)
    }),
];

/// The async ones, in a runtime.
async fn async_verbs(cache: &Cache) -> Vec<(&'static str, Result<(), Error>)> {
    vec![
        (
            "invalidate of a call",
            invalidate(square(2)).await.map(drop),
        ),
        (
            "invalidate of the companion",
            square::invalidate(2).await.map(drop),
        ),
        ("put", square::put(2, &4).await),
        ("peek", square::peek(2).await.map(drop)),
        ("set", cache.set("key", &1, None).await),
        ("get", cache.get::<u64>("key").await.map(drop)),
        ("invalidate", cache.invalidate("key").await.map(drop)),
        ("ping", cache.ping().await),
    ]
}

fn config(url: &str) -> Config {
    // Not about how long a busy machine takes.
    const PATIENT: Duration = Duration::from_secs(5);
    Config::new(url)
        .connect_timeout(PATIENT)
        .response_timeout(PATIENT)
}

fn is_named(what: &str, answer: Result<(), Error>, cause: &str) {
    let Err(error) = answer else {
        panic!("{what}: no error, where `{cause}` is to be told");
    };
    let text = format!("{error} {error:?}");
    assert_eq!(error.kind(), ErrorKind::Refused, "{what}: {text}");
    assert!(error.to_string().contains(cause), "{what}: {text}");
    assert!(!text.contains("pa55word"), "{what}: {text}");
}

fn every_verb_names(config: &Config, cause: &str) {
    for (name, verb) in VERBS {
        let cache = Cache::new(config.clone()).unwrap();
        let _inside = cache.enter();
        // What the first one found out is known to the next.
        for time in 1..=3 {
            is_named(&format!("{name}, time {time}"), verb(&cache), cause);
        }
        assert_eq!((cube(2), cube::refresh(2)), (8, 8));
        assert_eq!(cache.stats().server().owed, 0, "{name}");
    }
    let runtime = crate::support::runtime();
    let cache = Cache::new(config.clone()).unwrap();
    runtime.block_on(cache.scope(async {
        for (name, answer) in async_verbs(&cache).await {
            is_named(name, answer, cause);
        }
        assert_eq!((square(2).await, square::refresh(2).await), (4, 4));
    }));
}

/// Says the same to whoever comes and whatever they say, as long as the tests run.
fn speaker(greeting: &'static [u8], answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut caller = caller;
                let mut asked = [0; 1024];
                let _ = caller.write_all(greeting);
                while caller.read(&mut asked).is_ok_and(|bytes| bytes > 0) {
                    let _ = caller.write_all(answer);
                }
            });
        }
    });
    port
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let server = Server::start_with(&["--databases", "16"]);
    let config = config(&format!("{}/99", server.url_of_default()));
    every_verb_names(&config, "no database of the number");
}

#[test]
fn a_wrong_login_is_named() {
    let server = Server::start_with(&["--requirepass", "right"]);
    for (login, cause) in [
        (":pa55word@", "authentication failed"),
        ("nobody:pa55word@", "authentication failed"),
        ("", "NOAUTH"),
    ] {
        every_verb_names(
            &config(&format!("redis://{login}127.0.0.1:{}", server.port())),
            cause,
        );
    }
}

#[test]
fn missing_rights_are_named() {
    let user = "--user app on >pa55word ~cache:* ~key -@all +ping";
    let server = Server::start_with(&Vec::from_iter(user.split(' ')));
    let url = format!("redis://app:pa55word@127.0.0.1:{}", server.port());
    every_verb_names(&config(&url), "NOPERM");
}

#[test]
fn another_protocol_on_the_port_is_named() {
    let web = speaker(
        b"",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    );
    let mail = speaker(b"220 mail ready\r\n", b"502 what?\r\n");
    for port in [web, mail] {
        let url = format!("redis://:pa55word@127.0.0.1:{port}");
        every_verb_names(&config(&url), "does not speak Redis");
        every_verb_names(
            &config(&format!("redis://127.0.0.1:{port}")),
            "does not speak Redis",
        );
    }
}

#[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
#[test]
fn tls_on_one_side_only_is_named() {
    let authority = crate::support::Authority::new();
    let web = speaker(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let config = config(&format!("rediss://127.0.0.1:{web}"));
    every_verb_names(
        &config.root_certificates(authority.pem()),
        "does not speak TLS",
    );
}

#[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
#[test]
fn a_certificate_of_nobody_is_named() {
    let authority = crate::support::Authority::new();
    let (_server, port) = authority.serve("127.0.0.1", &[]);
    let config = config(&format!("rediss://:pa55word@127.0.0.1:{port}"));
    every_verb_names(&config, "no certificate that is trusted");
}

#[cfg(feature = "cluster")]
#[test]
fn a_cluster_that_is_none_is_named() {
    let server = Server::start();
    let url = server.url_of_default().replace("://", "+cluster://");
    every_verb_names(&config(&url), "is no cluster");
}

#[cfg(feature = "cluster")]
#[test]
fn a_node_that_is_not_alone_is_named() {
    use crate::support::Cluster;

    let cluster = Cluster::start();
    let numbered = format!("{}/3", cluster.url());
    every_verb_names(&config(&numbered), "no database of the number");
    let stranger = cluster.url_of_default().replace("://", "://:pa55word@");
    every_verb_names(&config(&stranger), "authentication failed");
    let mut named = 0;
    for node in &cluster.nodes {
        let cache = Cache::new(config(&node.url())).unwrap();
        let Err(error) = cache.blocking().invalidate("key") else {
            continue;
        };
        named += 1;
        is_named("invalidate", Err(error), "redis+cluster://");
        is_named(
            "get",
            cache.blocking().get::<u64>("key").map(drop),
            "redis+cluster://",
        );
        is_named(
            "set",
            cache.blocking().set("key", &1, None),
            "redis+cluster://",
        );
    }
    assert_eq!(named, 2, "one node has the key");
    let ping = |node: &Server| Cache::new(config(&node.url())).unwrap().blocking().ping();
    let pings = cluster.nodes.iter().map(ping).filter(Result::is_err);
    assert_eq!(pings.count(), 2, "one node has the key that is asked for");
}

#[cfg(feature = "sentinel")]
#[test]
fn a_master_that_no_sentinel_knows_is_named() {
    use crate::support::Sentinel;

    let sentinel = Sentinel::start();
    let url = sentinel.url().replace("/main", "/other");
    every_verb_names(&config(&url), "no master of the name");
    let server = Server::start();
    let none = format!("redis+sentinel://127.0.0.1:{}/main", server.port());
    every_verb_names(&config(&none), "is no sentinel");
}

#[test]
fn what_may_pass_is_queued() {
    let refused = Cache::open(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    let frozen = Server::start();
    frozen.freeze();
    for cache in [refused, frozen.cache()] {
        for _ in 0..5 {
            let queued = cache.blocking().invalidate("key").unwrap();
            assert_eq!(queued, Invalidated::Queued);
        }
    }
}
