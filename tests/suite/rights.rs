//! The rights that a cache needs are those that are documented, and no others.

use std::time::Duration;

use cache_runtime::{Cache, ErrorKind, Seen, observe, read_through};
use futures_util::future::join_all;

use crate::support::{Server, acl, in_own_process, is_own_process, runtime};

#[read_through(name = "seconds", ttl = 60, lease = "300ms")]
async fn seconds(n: u64) -> Result<u64, ()> {
    // Longer than a beat of the lease.
    tokio::time::sleep(Duration::from_millis(150)).await;
    if n == 2 { Err(()) } else { Ok(n) }
}

#[read_through(name = "millis", ttl = "1500ms", stale = "1m")]
async fn millis(n: u64) -> u64 {
    n
}

#[read_through(name = "forever")]
async fn forever(n: u64) -> u64 {
    n
}

#[read_through(name = "copied", ttl = 60, near)]
async fn copied(n: u64) -> u64 {
    n
}

/// Everything that a cache does to a server.
async fn everything(cache: &Cache) {
    let _ = cache.ping().await;
    for _ in 0..2 {
        let _ = (seconds(1).await, millis(1).await, forever(1).await);
    }
    let _ = (seconds(2).await, copied(1).await);
    let _ = cache.set(forever::key(3), "junk", None).await;
    let _ = forever(3).await;
    let _ = cache
        .set(millis::key(4), &4, Some(Duration::from_millis(100)))
        .await;
    // Stale, and refreshed behind.
    let _ = millis(4).await;
    let _ = (millis::refresh(1).await, millis::put(1, &1).await);
    let _ = (millis::peek(1).await, millis::invalidate(1).await);
    if let Some(pool) = cache.pool() {
        for _ in 0..2 {
            drop(pool.get().await);
        }
    }
    cache.shutdown().await;
}

/// What the server refused, by the words of its log.
async fn refused(rights: &[&str], keys: &str, database: &str) -> Vec<String> {
    let arguments = acl::arguments(keys, rights);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = Server::start_with(&arguments);
    let url = format!(
        "redis://{}127.0.0.1:{}{database}",
        acl::login(),
        server.port()
    );
    let cache = Cache::open(&url).unwrap();
    cache.scope(everything(&cache)).await;
    in_the_log_of(&server)
}

fn in_the_log_of(server: &Server) -> Vec<String> {
    let log = server.cli(&["ACL", "LOG"]);
    let lines: Vec<_> = log.lines().collect();
    let entries = lines.windows(2).filter(|two| two[0] == "object");
    let mut refused: Vec<_> = entries.map(|two| two[1].to_owned()).collect();
    // They are told the client's name, and a refusal is nothing to anybody.
    refused.retain(|of| of != "client|setinfo" && of != "client");
    refused.sort();
    refused.dedup();
    refused
}

/// What the log of a server says of a right that is missing.
fn in_the_words_of(version: (u32, u32), right: &'static str) -> Vec<&'static str> {
    let right = &right[1..];
    match right.split_once('|') {
        // Before Redis 7.0 the command alone, and it is not to be told from what every client is refused.
        Some(("client", _)) if version < (7, 0) => vec![],
        Some((command, _)) if version < (7, 0) => vec![command],
        _ => vec![right],
    }
}

fn of_one_server() -> Vec<&'static str> {
    [
        acl::COMMANDS,
        acl::TRACKING,
        acl::SCRIPTS,
        acl::IN_SCRIPTS,
        acl::POOL,
    ]
    .concat()
}

#[tokio::test]
async fn with_the_documented_rights_nothing_is_refused() {
    assert_eq!(refused(&of_one_server(), "~cache:*", "").await, [""; 0]);
}

/// One is asked for, and so it is found out that none may be run.
#[tokio::test]
async fn without_scripts_only_they_are_refused() {
    let rights = acl::without_scripts(&of_one_server());
    assert_eq!(refused(&rights, "~cache:*", "").await, ["evalsha"]);
}

#[tokio::test]
async fn without_any_of_the_documented_rights_something_is_refused() {
    let of_transactions = ["exec", "multi", "watch"];
    let server = Server::start();
    let version = server.version();
    let each = of_one_server().into_iter().map(|right| async move {
        let rights = acl::without(&of_one_server(), &[right]);
        let mut expected = in_the_words_of(version, right);
        if acl::SCRIPTS.contains(&right) {
            // What is tried instead.
            expected.extend(of_transactions);
        }
        assert_eq!(refused(&rights, "~cache:*", "").await, expected);
    });
    join_all(each).await;
    let all = acl::without_scripts(&of_one_server());
    // A transaction stores by those, but by SET with XX before Redis 7.0, and SET with IFEQ needs none.
    let unused: &[_] = match server.sets_with_get() && !server.sets_if_equal() {
        true => &[],
        false => &["+setex", "+psetex"],
    };
    let each = acl::without(&all, unused);
    let each = each.iter().map(|right| async {
        let rights = acl::without(&all, &[right]);
        let mut refused = refused(&rights, "~cache:*", "").await;
        refused.retain(|of| of != "evalsha");
        assert_eq!(refused, in_the_words_of(version, right));
    });
    join_all(each).await;
    let other_keys = refused(&of_one_server(), "~other:*", "").await;
    assert!(
        other_keys.iter().all(|of| of.starts_with("cache:")),
        "{other_keys:?}"
    );
    assert!(!other_keys.is_empty());
}

#[tokio::test]
async fn another_database_needs_the_right_to_choose_it() {
    let refused_select = refused(&of_one_server(), "~cache:*", "/1").await;
    assert_eq!(refused_select, ["select"]);
    let rights = [of_one_server(), acl::DATABASE.to_vec()].concat();
    assert_eq!(refused(&rights, "~cache:*", "/1").await, [""; 0]);
}

#[cfg(feature = "sentinel")]
#[tokio::test]
async fn behind_sentinels_a_server_is_asked_for_its_role() {
    use crate::support::Sentinel;

    for (more, refused) in [(acl::BEHIND_SENTINELS, &[][..]), (&[], &["info", "role"])] {
        let arguments = acl::arguments("~cache:*", &[&of_one_server()[..], more].concat());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let sentinel = Sentinel::start_with(&arguments, "");
        let (login, port) = (acl::login(), sentinel.port());
        let url = format!("redis+sentinel://{login}127.0.0.1:{port}/main");
        let cache = Cache::open(&url).unwrap();
        assert_eq!(cache.ping().await.is_ok(), refused.is_empty());
        cache.scope(everything(&cache)).await;
        assert_eq!(in_the_log_of(&sentinel.master), refused);
    }
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn in_a_cluster_a_server_is_asked_for_the_slots_and_takes_what_moves() {
    use crate::support::Cluster;

    let rights = acl::without(&of_one_server(), acl::POOL);
    let all = [&rights[..], acl::IN_A_CLUSTER].concat();
    let version = Server::start().version();
    for (missing, refused) in [
        ("", vec![]),
        ("+cluster|slots", in_the_words_of(version, "+cluster|slots")),
        ("+asking", vec!["asking"]),
    ] {
        let arguments = acl::arguments("~cache:*", &acl::without(&all, &[missing]));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let cluster = Cluster::start_with(0, &arguments);
        cluster.begin_to_move(&forever::key(1));
        let url = cluster
            .url()
            .replace("://", &format!("://{}", acl::login()));
        let cache = Cache::open(&url).unwrap();
        cache.scope(everything(&cache)).await;
        let mut seen: Vec<_> = cluster.nodes.iter().flat_map(in_the_log_of).collect();
        seen.dedup();
        assert_eq!(seen, refused, "without `{missing}`");
    }
}

#[tokio::test]
async fn a_key_by_hand_that_may_not_be_written_keeps_no_others_from_being_stored() {
    let user = "--user default on nopass ~cache:* +@all";
    let server = Server::start_with(&Vec::from_iter(user.split(' ')));
    let cache = server.patient();
    let other = cache.set("other:key", &1, None).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Refused);
    assert!(cache.stats().server().takes_writes);
    cache.scope(forever(1)).await;
    assert_eq!(cache.stats().function("forever").unwrap().stored, 1);
}

/// A server that knows a user with these rights, and a cache of that user.
fn of_user(rights: &[&str]) -> (Server, Cache) {
    let arguments = acl::arguments("~cache:*", rights);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = Server::start_with(&arguments);
    let url = format!("redis://{}127.0.0.1:{}", acl::login(), server.port());
    (server, crate::support::patient(&url))
}

const GRANTED_LATER: &str = "rights::tracking_that_is_granted_later_is_used";

#[test]
fn tracking_that_is_granted_later_is_used() {
    if !is_own_process(GRANTED_LATER) {
        let printed = in_own_process(GRANTED_LATER, &[]);
        let (refused, granted) = (
            "no copies are kept",
            "copies are kept in this process again",
        );
        for change in [refused, granted] {
            assert_eq!(printed.matches(change).count(), 1, "{printed}");
        }
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let (server, cache) = of_user(&acl::without(&of_one_server(), acl::TRACKING));
    let seen = async || observe(copied(1)).await.1;
    let minute = Duration::from_secs(60);
    runtime().block_on(cache.scope(async {
        assert_eq!([seen().await, seen().await], [Seen::Loaded, Seen::Stored]);
        cache.advance(minute);
        // Tried again, and refused again.
        assert_eq!([seen().await, seen().await], [Seen::Stored; 2]);
        server.cli(&["ACL", "SETUSER", acl::NAME, acl::TRACKING[0]]);
        cache.advance(minute - Duration::from_secs(1));
        assert_eq!([seen().await, seen().await], [Seen::Stored; 2]);
        cache.advance(minute);
        // The first one makes the connection, which forgets all copies.
        assert_eq!([seen().await, seen().await], [Seen::Stored; 2]);
        assert_eq!(seen().await, Seen::Near);
        // And what another program changes is told of.
        server.cli(&["SET", "cache:copied:1", "2"]);
        let start = std::time::Instant::now();
        while copied(1).await != 2 {
            assert!(start.elapsed() < Duration::from_secs(5));
            tokio::task::yield_now().await;
        }
    }));
}

#[tokio::test]
async fn a_refused_pttl_costs_no_other_read() {
    let (server, cache) = of_user(&acl::without(&of_one_server(), &["+pttl"]));
    cache
        .scope(async {
            join_all((10..30).map(seconds)).await;
            server.cli(&["SET", "cache:millis:1", "1"]);
            // They travel as one batch: the first one goes alone, and all others wait for it.
            let plain = |n| async move { observe(seconds(n)).await.1 };
            let timed = join_all((0..20).map(|_| millis(1)));
            let (seen, timed) = tokio::join!(join_all((10..30).map(plain)), timed);
            assert_eq!(seen, [Seen::Stored; 20]);
            assert_eq!(timed, [1; 20]);
        })
        .await;
}
