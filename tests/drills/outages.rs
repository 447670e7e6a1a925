//! The server is not there, dies, freezes, or is behind a firewall that forgets.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::Cache;

use crate::callers::{Callers, Calls, EIGHT_OF_EACH, load, load_sync};
use crate::proxy::Proxy;
use crate::report::{DEADLINE, HALF_A_SECOND, Report, millis};
use crate::support::{Server, free_port};

/// Whether calls go past a server that is away as if there were none.
fn passes_by(away: &Calls) -> bool {
    let (p99, bare) = away.p99();
    p99 < bare + Duration::from_millis(5)
}

fn told(calls: &Calls, away: &Calls, back: Option<Duration>) -> String {
    let (p99, bare) = away.p99();
    format!(
        "{} calls, {} errors; worst {}; p99 while away {}, of a bare body {}; hits after {}",
        calls.calls.len(),
        calls.errors(),
        millis(calls.worst()),
        millis(p99),
        millis(bare),
        back.map_or_else(|| "never".to_owned(), millis),
    )
}

/// Nothing listens when the first call comes; later it does.
pub fn cold_down(report: &mut Report) {
    for (kind, of_async, of_sync) in EIGHT_OF_EACH {
        let port = free_port();
        let cache = Cache::open(&format!("redis://127.0.0.1:{port}")).unwrap();
        let callers = Callers::start(&cache, of_async, of_sync);
        sleep(Duration::from_secs(1));
        let server = Server::start_at(port);
        let there = Instant::now();
        sleep(Duration::from_secs(1));
        let calls = callers.end();
        let down = calls.between(there - Duration::from_secs(2), there);
        let back = calls.hit_after(there);
        drop(server);
        report.row(
            &format!("1 cold-down {kind}"),
            "0 errors; p99 < bare + 5 ms; picked up < 1 s",
            &told(&calls, &down, back),
            calls.errors() == 0
                && passes_by(&down)
                && calls.waited_once()
                && back.is_some_and(|back| back < Duration::from_secs(1)),
        );
    }
}

/// `kill -9` under load, 1.5 s down, restarted.
pub fn kill_restart(report: &mut Report) {
    for (kind, of_async, of_sync) in EIGHT_OF_EACH {
        let mut server = Server::start();
        let callers = Callers::start(&server.cache(), of_async, of_sync);
        sleep(HALF_A_SECOND);
        let killed = Instant::now();
        server.kill();
        sleep(Duration::from_millis(1500));
        server.restart();
        let there = Instant::now();
        sleep(Duration::from_secs(1));
        let calls = callers.end();
        let down = calls.between(killed, there);
        let back = calls.hit_after(there);
        report.row(
            &format!("2 kill-restart {kind}"),
            "0 errors; worst <= 0.1 s, then p99 < bare + 5 ms; hits < 0.5 s",
            &told(&calls, &down, back),
            calls.errors() == 0
                && calls.waited_once()
                && passes_by(&down)
                && back.is_some_and(|back| back < HALF_A_SECOND),
        );
    }
}

/// Stopped for 3 s: its sockets accept and say nothing.
pub fn freeze(report: &mut Report) {
    for (kind, of_async, of_sync) in EIGHT_OF_EACH {
        let server = Server::start();
        let callers = Callers::start(&server.cache(), of_async, of_sync);
        sleep(HALF_A_SECOND);
        server.freeze();
        let frozen = Instant::now();
        sleep(Duration::from_secs(3));
        let thawed = Instant::now();
        server.thaw();
        sleep(Duration::from_secs(1));
        let calls = callers.end();
        let after_the_first = calls.between(frozen + 2 * DEADLINE, thawed);
        let back = calls.hit_after(thawed);
        report.row(
            &format!("3 freeze {kind}"),
            "0 errors; worst <= 0.1 s, then p99 < bare + 5 ms; hits < 0.5 s",
            &told(&calls, &after_the_first, back),
            calls.errors() == 0
                && calls.waited_once()
                && passes_by(&after_the_first)
                && back.is_some_and(|back| back < HALF_A_SECOND),
        );
    }
}

/// Open sockets are swallowed, new ones work.
pub fn black_hole(report: &mut Report) {
    for (kind, of_async, of_sync) in EIGHT_OF_EACH {
        let server = Server::start();
        let proxy = Proxy::before(server.port());
        let cache = Cache::open(&proxy.url()).unwrap();
        let callers = Callers::start(&cache, of_async, of_sync);
        sleep(HALF_A_SECOND);
        proxy.swallow();
        let swallowed = Instant::now();
        sleep(Duration::from_secs(1));
        let calls = callers.end();
        // What was on its way may still have come.
        let begun = calls.between(swallowed + DEADLINE / 2, Instant::now());
        let back = begun.hit_after(swallowed);
        let outages = cache.stats().server().outages;
        report.row(
            &format!("4 black-hole {kind}"),
            "0 errors; worst <= deadline; hits again < 2 deadlines",
            &format!("{}; {outages} outages", told(&calls, &begun, back)),
            calls.errors() == 0
                && calls.waited_once()
                && back.is_some_and(|back| back < 2 * DEADLINE)
                && outages == 0,
        );
    }
}

/// Open sockets are swallowed while nobody uses them.
pub fn idle_black_hole(report: &mut Report) {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let cache = Cache::open(&proxy.url()).unwrap();
    let runtime = crate::support::runtime();
    let _inside = cache.enter();
    let both = || {
        let start = Instant::now();
        runtime.block_on(async {
            let call = tokio::spawn(cache.scope(load(1)));
            call.await.unwrap();
        });
        load_sync(1);
        start.elapsed()
    };
    both();
    proxy.swallow();
    sleep(Duration::from_secs(8));
    let took = both();
    report.row(
        "idle black-hole",
        "found out within 8 s by a PING; nobody pays the deadline",
        &format!("both calls took {}", millis(took)),
        took < DEADLINE,
    );
}

/// Far more to do than there are cores, and workers of the runtime that are blocked.
pub fn starved(report: &mut Report) {
    let server = Server::start();
    let cache = server.cache();
    let callers = Callers::start(&cache, 16, 8);
    let end = Instant::now() + Duration::from_secs(4);
    let spinners = (0..16).map(|_| {
        std::thread::spawn(move || {
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        })
    });
    let spinners: Vec<_> = spinners.collect();
    while Instant::now() < end {
        // Now one worker is blocked, now both, with whatever was to be woken on them.
        for _ in 0..fastrand::usize(1..3) {
            callers.spawn(async { sleep(Duration::from_millis(fastrand::u64(50..400))) });
        }
        sleep(Duration::from_millis(300));
    }
    for spinner in spinners {
        spinner.join().unwrap();
    }
    let calls = callers.end();
    let outages = cache.stats().server().outages;
    report.row(
        "starved",
        "a starved machine is no dead Redis: 0 outages",
        &format!(
            "{} calls, {} errors, {} hits; {outages} outages",
            calls.calls.len(),
            calls.errors(),
            calls.hits()
        ),
        calls.errors() == 0 && outages == 0,
    );
}

/// What a call costs over its body while the server is away.
pub fn open_breaker(report: &mut Report) {
    const CALLS: u32 = 10_000;
    #[cache_runtime::read_through(name = "bare", ttl = 60)]
    async fn bare(n: u64) -> u64 {
        std::hint::black_box(n)
    }
    #[cache_runtime::read_through(name = "bare-sync", ttl = 60)]
    fn bare_sync(n: u64) -> u64 {
        std::hint::black_box(n)
    }
    let cache = Cache::open(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    let runtime = crate::support::runtime();
    runtime.block_on(cache.scope(async {
        while !cache.stats().server().away {
            load(1).await;
        }
    }));
    let fastest = |round: &dyn Fn()| {
        // The fastest of many short rounds: others use the machine, too.
        let rounds = (0..100).map(|_| {
            let start = Instant::now();
            round();
            start.elapsed() / CALLS
        });
        rounds.min().unwrap_or_default()
    };
    let asynchronous = fastest(&|| {
        runtime.block_on(cache.scope(async {
            for n in 0..CALLS {
                bare(u64::from(n)).await;
            }
        }));
    });
    let _inside = cache.enter();
    let synchronous = fastest(&|| {
        for n in 0..CALLS {
            bare_sync(u64::from(n));
        }
    });
    report.row(
        "open breaker",
        "a call costs its body and at most 1 us",
        &format!("async {asynchronous:?}, sync {synchronous:?}"),
        // A build for debugging says nothing about speed.
        cfg!(debug_assertions) || asynchronous.max(synchronous) <= Duration::from_micros(1),
    );
}
