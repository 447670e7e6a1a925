//! The longest durations, in memory and on a server.

use std::time::Duration;

use cache_runtime::{Cache, ErrorKind, Seen, observe, read_through};

use crate::support::Server;

#[read_through(
    name = "all",
    ttl = "365000d",
    stale = "365000d",
    lease = "365000d",
    follow = "365000d",
    near = "365000d"
)]
async fn all(n: u64) -> u64 {
    n
}

#[read_through(
    name = "jittered",
    ttl = 31536000000,
    jitter = "99%",
    stale = "365000d"
)]
async fn jittered(n: u64) -> u64 {
    n
}

#[read_through(name = "nothing", ttl = 60, none = "365000d", stale = "365000d")]
async fn nothing(_: u64) -> Option<u64> {
    None
}

/// It is known only when it runs, so it is cut off.
#[read_through(name = "computed", ttl = |_: &u64| Duration::MAX, stale = "365000d")]
async fn computed(n: u64) -> u64 {
    n
}

#[read_through(name = "constant", ttl = Duration::MAX, near)]
fn constant(n: u64) -> u64 {
    n
}

#[tokio::test]
async fn the_longest_durations_hold_on_each_store() {
    let server = Server::start();
    for cache in [Cache::in_memory(), server.patient()] {
        let calls = async {
            for seen in [Seen::Loaded, Seen::Stored] {
                assert_eq!(observe(jittered(1)).await.1, seen);
                assert_eq!(observe(nothing(1)).await.1, seen);
                assert_eq!(observe(computed(1)).await.1, seen);
            }
            let twice = [observe(all(1)).await.1, observe(all(1)).await.1];
            assert_eq!(twice[0], Seen::Loaded);
            assert!([Seen::Stored, Seen::Near].contains(&twice[1]), "{twice:?}");
            all::put(1, &1).await.unwrap();
            assert_eq!(all::refresh(1).await, 1);
            let longest = Some(Duration::MAX);
            cache.set("cache:by-hand", &1, longest).await.unwrap();
            assert_eq!(cache.get("cache:by-hand").await.unwrap(), Some(1));
            let none = cache.set("cache:by-hand", &1, Some(Duration::ZERO)).await;
            assert_eq!(none.unwrap_err().kind(), ErrorKind::Ttl);
        };
        cache.scope(calls).await;
        let _inside = cache.enter();
        let seen = || cache_runtime::blocking::observe(|| constant(1)).1;
        assert_eq!(seen(), Seen::Loaded);
        assert_ne!(seen(), Seen::Loaded);
    }
    // Fresh for the whole of its ttl.
    let left: u128 = server.cli(&["PTTL", "cache:computed:1"]).parse().unwrap();
    let year = 365 * 24 * 60 * 60 * 1000;
    assert!(left > 1999 * year && left <= 2000 * year, "{left}");
}
