//! A server that answers everything, but slowly, makes no caller later than by one deadline.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, read_through};

use crate::proxy::Proxy;
use crate::scenarios::answers::Answer;
use crate::scenarios::slow::{self, Figures};
use crate::scenarios::{KINDS, Kind};
use crate::support::Server;

/// Long, so that what a busy machine adds is little beside it.
const DEADLINE: Duration = Duration::from_millis(400);

fn seen(kind: Kind, callers: u64, delay: Duration) -> Figures {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let config = Config::new(proxy.url()).response_timeout(DEADLINE);
    let cache = Cache::new(config).unwrap();
    slow::run(kind, &cache, &proxy, callers, delay)
}

#[test]
fn a_lone_caller_waits_for_one_deadline_in_all() {
    for kind in KINDS {
        // Each answer is there in time, and so is a hit; a miss would wait for three.
        let seen = seen(kind, 1, DEADLINE * 7 / 10);
        assert_eq!(seen.hits, 1, "{kind}: {seen:?}");
        assert!(
            seen.missing.worst() < DEADLINE * 13 / 10,
            "{kind}: {seen:?}"
        );
        assert_eq!(seen.stored.errors + seen.missing.errors, 0);
        assert_eq!(seen.outages, 0, "{kind}: it is slow, not away");
    }
}

/// And so does who asks for the new value: nobody in this process is answered with the old one after
/// that, although the server has not been told yet.
#[test]
fn a_refresh_waits_for_one_deadline_in_all_and_hides_the_old_value() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "counted", ttl = 600)]
    async fn counted(_key: u64) -> u64 {
        BODIES.fetch_add(1, Relaxed)
    }
    #[read_through(name = "counted", ttl = 600)]
    fn counted_sync(_key: u64) -> u64 {
        BODIES.fetch_add(1, Relaxed)
    }

    let runtime = crate::support::runtime();
    for kind in KINDS {
        let asked = |refreshes: bool| match (kind, refreshes) {
            (Kind::Async, false) => runtime.block_on(counted(7)),
            (Kind::Async, true) => runtime.block_on(counted::refresh(7)),
            (Kind::Sync, false) => counted_sync(7),
            (Kind::Sync, true) => counted_sync::refresh(7),
        };
        let (call, refresh) = (|| asked(false), || asked(true));
        // There is no time left for the claim, or only none for the fill.
        for delay in [DEADLINE * 7 / 10, DEADLINE * 4 / 10] {
            let server = Server::start();
            let proxy = Proxy::before(server.port());
            let config = Config::new(proxy.url()).response_timeout(DEADLINE);
            let cache = Cache::new(config).unwrap();
            let _inside = cache.enter();
            let old = until_stored(&cache, call);
            proxy.delay(delay);
            let began = Instant::now();
            let new = refresh();
            let took = began.elapsed();
            assert!(new > old, "{kind}");
            assert!(took < DEADLINE * 13 / 10, "{kind}: {took:?}");
            assert!(call() > old, "{kind}");
            proxy.delay(Duration::ZERO);
            assert!(until_stored(&cache, call) > old, "{kind}");
            assert_eq!(cache.stats().server().outages, 0, "it is slow, not away");
        }
    }
}

fn until_stored(cache: &Cache, call: impl Fn() -> u64) -> u64 {
    let hits = || cache.stats().function("counted").map_or(0, |of| of.hits);
    let began = Instant::now();
    loop {
        let before = hits();
        let value = call();
        if hits() > before {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_thousand_callers_wait_for_their_own_answers_and_not_for_each_other() {
    for kind in KINDS {
        let seen = seen(kind, 1000, DEADLINE * 6 / 10);
        let worst = seen.stored.worst().max(seen.missing.worst());
        let of_machine = 2 * seen.quick.worst();
        assert!(worst < DEADLINE * 5 / 4 + of_machine, "{kind}: {seen:?}");
        assert_eq!(seen.stored.errors + seen.missing.errors, 0);
    }
}

#[test]
fn a_crowd_does_not_wait_for_a_distant_server_a_batch_at_a_time() {
    const CALLERS: u64 = 6000;
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let config = Config::new(proxy.url()).response_timeout(DEADLINE);
    let cache = Cache::new(config).unwrap();
    let seen = slow::of_a_crowd(&cache, &proxy, CALLERS, DEADLINE / 5);
    assert!(
        seen.slow.worst() < DEADLINE + seen.quick.worst(),
        "{seen:?}"
    );
    assert_eq!((seen.slow.errors, seen.hits), (0, CALLERS), "{seen:?}");
}

#[test]
fn a_value_that_drips_keeps_a_thread_for_one_deadline() {
    #[read_through(name = "drips", ttl = 600)]
    fn drips(n: u64) -> String {
        format!("{n:02000}")
    }

    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let config = Config::new(proxy.url()).response_timeout(DEADLINE);
    let cache = Cache::new(config).unwrap();
    let _inside = cache.enter();
    // The connection for threads is made behind the first of them, beside those of the lanes.
    while server.connections() < 3 {
        drips(7);
    }
    // Each piece is there in time; the whole takes four deadlines.
    proxy.drip(200, DEADLINE * 2 / 5);
    for _ in 0..3 {
        let answer = Answer::of_sync(|| drips(7), format!("{:02000}", 7));
        assert!(answer.right);
        assert!(answer.took < DEADLINE * 3 / 2, "{answer:?}");
    }
    proxy.flow();
}

#[test]
fn a_thread_whose_connection_breaks_late_waits_for_one_deadline_in_all() {
    #[read_through(name = "breaks-late", ttl = 600)]
    fn value(n: u64) -> u64 {
        n
    }

    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let config = Config::new(proxy.url()).response_timeout(DEADLINE);
    let cache = Cache::new(config).unwrap();
    let call = || {
        let _inside = cache.enter();
        Answer::of_sync(|| value(7), 7)
    };
    // The connection for threads is made behind the first of them, beside those of the lanes.
    while server.connections() < 3 {
        call();
    }
    proxy.swallow();
    let answer = std::thread::scope(|scope| {
        let calling = scope.spawn(call);
        std::thread::sleep(DEADLINE * 9 / 10);
        // Nobody answers on the next ones either.
        proxy.swallow_new(true);
        proxy.cut();
        calling.join().unwrap()
    });
    assert!(answer.right);
    assert!(answer.took < DEADLINE * 14 / 10, "{answer:?}");
}
