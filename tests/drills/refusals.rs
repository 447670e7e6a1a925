//! The server is there, and refuses: it is full, forbids, or does not let anybody in.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind};

use crate::callers::{Callers, Calls, EIGHT_OF_EACH, one, value};
use crate::log::Log;
use crate::report::{DEADLINE, HALF_A_SECOND, Report, SLACK, millis};
use crate::scenarios::{KINDS, Kind};
use crate::support::{Server, runtime};

fn stored(cache: &Cache) -> u64 {
    cache.stats().functions().iter().map(|of| of.stored).sum()
}

fn told(calls: &Calls) -> String {
    format!(
        "{} errors; worst {}, p99 {}",
        calls.errors(),
        millis(calls.worst()),
        millis(calls.p99().0)
    )
}

/// Whether every caller had its value, late by a deadline at most.
fn are_served(calls: &Calls) -> bool {
    calls.errors() == 0 && calls.worst() <= DEADLINE + SLACK
}

/// Writes are refused from `refuse` to `allow`.
fn writes_refused(
    report: &mut Report,
    log: &Log,
    (drill, kind): (&str, Kind),
    refuse: &[&str],
    allow: &[&str],
) {
    const KEYS: u64 = 200;
    let server = Server::start();
    let (cache, runtime) = (server.cache(), runtime());
    let call = |n| one(kind, &cache, &runtime, n);
    call(0);
    log.clear();
    server.cli(refuse);
    let stored_then = stored(&cache);
    let calls: Calls = (1..=KEYS).flat_map(|n| [call(0), call(n)]).collect();
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
    let mut after = Vec::new();
    while stored(&cache) == stored_then && allowed.elapsed() < Duration::from_secs(5) {
        after.push(call(KEYS + 1 + after.len() as u64));
    }
    let back = (stored(&cache) > stored_then).then(|| allowed.elapsed());
    let after: Calls = after.into_iter().collect();
    report.row(
        &format!("{drill} {kind}"),
        "0 errors; hits served; stores suspended; one warning; worst <= 0.1 s",
        &format!(
            "{}; {} hits of {KEYS}, {stored_meanwhile} stored of {KEYS} misses, {rejected} writes \
             sent, {warnings} warnings; stores again after {}",
            told(&calls),
            calls.hits(),
            back.map_or_else(|| "never".to_owned(), millis)
        ),
        are_served(&calls)
            && are_served(&after)
            && calls.hits() as u64 == KEYS
            && stored_meanwhile == 0
            && suspended
            && rejected < 10
            && warnings == 1
            && back.is_some_and(|back| back < Duration::from_millis(1500)),
    );
}

pub fn oom(report: &mut Report, log: &Log) {
    let refuse = ["CONFIG", "SET", "maxmemory", "1"];
    let allow = ["CONFIG", "SET", "maxmemory", "0"];
    for kind in KINDS {
        writes_refused(report, log, ("7 oom", kind), &refuse, &allow);
    }
}

pub fn no_write_right(report: &mut Report, log: &Log) {
    let refuse = ["ACL", "SETUSER", "default", "-set", "-setex", "-psetex"];
    let allow = ["ACL", "SETUSER", "default", "+set", "+setex", "+psetex"];
    for kind in KINDS {
        writes_refused(report, log, ("8 no-write-right", kind), &refuse, &allow);
    }
}

/// The password changes under load, and every connection is ended; then it changes back.
pub fn wrong_password(report: &mut Report) {
    for (kind, of_async, of_sync) in EIGHT_OF_EACH {
        let server = Server::start();
        let cache = server.cache();
        let callers = Callers::start(&cache, of_async, of_sync);
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
            &format!("9 wrong-password {kind}"),
            "0 errors; worst <= 0.1 s; ping() says why; hits < 0.5 s",
            &format!(
                "{} errors; worst {}; p99 meanwhile {}, of a bare body {}; `{told}`, \
                 `{at_start}`; hits after {}",
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
}

/// Bytes that are no value of ours, and keys of another type.
pub fn junk(report: &mut Report) {
    const KEYS: u64 = 50;
    for kind in KINDS {
        let server = Server::start();
        let (cache, runtime) = (server.cache(), runtime());
        let call = |n| one(kind, &cache, &runtime, n);
        let keys: Vec<_> = (0..2 * KEYS).map(|n| call(n).key()).collect();
        server.cli(&["FLUSHALL"]);
        for (n, key) in keys.iter().enumerate() {
            match n % 2 {
                0 => server.cli(&["SET", key, "{junk"]),
                _ => server.cli(&["LPUSH", key, "junk"]),
            };
        }
        let misses: Calls = (0..2 * KEYS).map(call).collect();
        let is_healed = |(n, key): &(u64, &String)| {
            server.try_cli(&["GET", key]) == Some(value(*n).to_string())
        };
        let healed = (0..).zip(&keys).filter(is_healed).count();
        let hits: Calls = (0..2 * KEYS).map(call).collect();
        report.row(
            &format!("12 junk {kind}"),
            "0 errors; a miss, healed by its store; worst <= 0.1 s",
            &format!(
                "{}; {healed} of {} healed; then {}, {} hits",
                told(&misses),
                keys.len(),
                told(&hits),
                hits.hits()
            ),
            are_served(&misses)
                && misses.hits() == 0
                && healed == keys.len()
                && are_served(&hits)
                && hits.hits() == keys.len(),
        );
    }
}
