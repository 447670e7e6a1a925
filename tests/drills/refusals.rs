//! The server is there, and refuses: it is full, forbids, or does not let anybody in.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind};
use tokio::runtime::Runtime;

use crate::callers::{Callers, load, load_sync, runtime, value};
use crate::log::Log;
use crate::report::{HALF_A_SECOND, Report, millis};
use crate::support::Server;

/// What one fresh key of each kind of function comes to.
fn both_answer(cache: &Cache, runtime: &Runtime, n: u64) -> bool {
    let _inside = cache.enter();
    runtime.block_on(cache.scope(load(n))) == value(n) && load_sync(n) == value(n)
}

fn stored(cache: &Cache) -> u64 {
    cache.stats().functions().iter().map(|of| of.stored).sum()
}

fn hits(cache: &Cache) -> u64 {
    cache.stats().functions().iter().map(|of| of.hits).sum()
}

/// Writes are refused from `refuse` to `allow`.
fn writes_refused(
    report: &mut Report,
    log: &Log,
    drill: &str,
    server: &Server,
    refuse: &[&str],
    allow: &[&str],
) {
    let (cache, runtime) = (server.cache(), runtime());
    assert!(both_answer(&cache, &runtime, 1));
    log.clear();
    server.cli(refuse);
    let (hits_then, stored_then) = (hits(&cache), stored(&cache));
    let mut right = true;
    for n in 2..100 {
        right &= both_answer(&cache, &runtime, 1) && both_answer(&cache, &runtime, n);
    }
    let hits = hits(&cache) - hits_then;
    let stored_meanwhile = stored(&cache) - stored_then;
    let suspended = !cache.stats().server().takes_writes;
    let warnings = log.count("WARN");
    let asked = server.cli(&["INFO", "commandstats"]);
    let rejected = asked.lines().filter_map(|line| {
        let (_, rejected) = line
            .strip_prefix("cmdstat_set:")?
            .split_once("rejected_calls=")?;
        rejected.split(',').next()?.parse::<u64>().ok()
    });
    let rejected = rejected.sum::<u64>();
    server.cli(allow);
    let allowed = Instant::now();
    let mut back = None;
    for n in 1000..100_000 {
        right &= both_answer(&cache, &runtime, n);
        if stored(&cache) > stored_then {
            back = Some(allowed.elapsed());
            break;
        }
        if allowed.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    report.row(
        drill,
        "value returned; hits served; stores suspended; one warning",
        &format!(
            "{hits} hits of 196, {stored_meanwhile} stored of 196 misses, {rejected} writes sent, \
             {warnings} warnings; stores again after {}",
            back.map_or_else(|| "never".to_owned(), millis)
        ),
        right
            && hits == 196
            && stored_meanwhile == 0
            && suspended
            && rejected < 10
            && warnings == 1
            && back.is_some_and(|back| back < Duration::from_millis(1500)),
    );
}

pub fn oom(report: &mut Report, log: &Log) {
    let server = Server::start();
    let refuse = ["CONFIG", "SET", "maxmemory", "1"];
    let allow = ["CONFIG", "SET", "maxmemory", "0"];
    writes_refused(report, log, "7 oom", &server, &refuse, &allow);
}

pub fn no_write_right(report: &mut Report, log: &Log) {
    let server = Server::start();
    let refuse = ["ACL", "SETUSER", "default", "-set", "-setex", "-psetex"];
    let allow = ["ACL", "SETUSER", "default", "+set", "+setex", "+psetex"];
    writes_refused(report, log, "8 no-write-right", &server, &refuse, &allow);
}

/// The password changes under load, and every connection is ended; then it changes back.
pub fn wrong_password(report: &mut Report) {
    let server = Server::start();
    let cache = server.cache();
    let callers = Callers::start(&cache, 4, 4);
    sleep(HALF_A_SECOND);
    server.cli(&["CONFIG", "SET", "requirepass", "another"]);
    let with_password = |words: &[&str]| {
        let login = ["-a", "another", "--no-auth-warning"];
        server.cli(&[&login, words].concat());
    };
    with_password(&["CLIENT", "KILL", "TYPE", "normal"]);
    let refused = Instant::now();
    sleep(Duration::from_secs(1));
    let runtime = runtime();
    let told = runtime.block_on(cache.ping()).unwrap_err();
    let of_another = server.url().replace("redis://", "redis://:wrong@");
    let at_start = runtime.block_on(Cache::open(&of_another).unwrap().ping());
    let at_start = at_start.unwrap_err();
    with_password(&["CONFIG", "SET", "requirepass", ""]);
    let allowed = Instant::now();
    sleep(Duration::from_secs(1));
    let calls = callers.end();
    let meanwhile = calls.between(refused, allowed);
    let back = calls.hit_after(allowed);
    let (p99, bare) = meanwhile.p99();
    report.row(
        "9 wrong-password",
        "value returned; ping() says why; hits < 0.5 s",
        &format!(
            "{} errors; worst {}; p99 meanwhile {}, of a bare body {}; `{told}`, `{at_start}`; hits after {}",
            calls.errors(),
            millis(calls.worst()),
            millis(p99),
            millis(bare),
            back.map_or_else(|| "never".to_owned(), millis)
        ),
        calls.errors() == 0
            && calls.waited_once()
            && p99 < bare + Duration::from_millis(5)
            && told.kind() == ErrorKind::Refused
            && at_start.kind() == ErrorKind::Refused
            && back.is_some_and(|back| back < HALF_A_SECOND),
    );
}

/// Bytes that are no value of ours, and a key of another type.
pub fn junk(report: &mut Report) {
    let server = Server::start();
    let (cache, runtime) = (server.cache(), runtime());
    let keys = ["cache:drill:1", "cache:drill-sync:1"];
    let mut right = true;
    let mut healed = 0;
    for spoil in [&["SET", "", "{junk"], &["LPUSH", "", "junk"]] {
        for key in keys {
            server.cli(&["DEL", key]);
            server.cli(&[spoil[0], key, spoil[2]]);
        }
        right &= both_answer(&cache, &runtime, 1);
        let stored = keys.map(|key| server.cli(&["GET", key]));
        healed += stored
            .iter()
            .filter(|json| **json == value(1).to_string())
            .count();
        let before = hits(&cache);
        right &= both_answer(&cache, &runtime, 1) && hits(&cache) == before + 2;
    }
    report.row(
        "12 junk",
        "a miss, healed by the next store",
        &format!("{healed} of 4 healed"),
        right && healed == 4,
    );
}
