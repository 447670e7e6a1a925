//! Copies in the process (option `near`) while the server forgets, cuts connections and stands still.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, observe, read_through};

use crate::report::{DEADLINE, HALF_A_SECOND, Report, SLACK, millis};
use crate::scenarios::answers::{Answer, Answers};
use crate::scenarios::{KINDS, Kind, coherence, frozen};
use crate::support::{Server, runtime};

/// How the processes are called that change values and check their copies.
pub const COHERENT: &str = "coherent";

/// Two processes change values and check their copies, while everything below befalls the server.
pub fn coherence(report: &mut Report) {
    let found = coherence::run(COHERENT);
    report.row(
        "21 coherence, random",
        "10^5 writes by 2 processes: 0 stale after a round trip; p99 <= 0.1 s",
        &format!(
            "{} writes, {} copies served, {} faults; {}; {} stale of own writes",
            found.writes, found.near, found.befallen, found.answers, found.stale_own
        ),
        found.answers.errors == 0
            && found.stale_own == 0
            && found.answers.p99() <= DEADLINE
            && found.writes >= coherence::WRITES
            && found.near >= coherence::WRITES / 8
            && found.befallen > 20,
    );
}

const KEYS: u64 = 50;
static SOURCE: AtomicU64 = AtomicU64::new(0);

#[read_through(key = "n", name = "copied", ttl = 600, near)]
async fn copied(n: u64) -> (u64, u64) {
    (n, SOURCE.load(SeqCst))
}

#[read_through(key = "n", name = "copied", ttl = 600, near)]
fn copied_sync(n: u64) -> (u64, u64) {
    (n, SOURCE.load(SeqCst))
}

/// Another program writes every key.
fn write_all(server: &Server, version: u64) {
    let mut words = vec!["MSET".to_owned()];
    for n in 0..KEYS {
        words.extend([copied::key(n), format!("[{n},{version}]")]);
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    server.cli(&words);
}

/// Makes every copy old.
type Change = fn(&Server);

const CHANGES: [(&str, Change); 3] = [
    ("FLUSHALL", |server| drop(server.cli(&["FLUSHALL"]))),
    ("CLIENT KILL", |server| {
        assert_ne!(
            coherence::kill_tracked(server),
            0,
            "nobody is told of changes"
        );
        write_all(server, 2);
    }),
    ("table of 5 keys", |server| {
        server.cli(&["CONFIG", "SET", "tracking-table-max-keys", "5"]);
        write_all(server, 2);
    }),
];

pub fn changes(report: &mut Report) {
    for (name, change) in CHANGES {
        for kind in KINDS {
            let server = Server::start();
            let (cache, runtime) = (server.cache(), runtime());
            SOURCE.store(1, SeqCst);
            let began = Instant::now();
            for n in 0..KEYS {
                let is_copied =
                    || runtime.block_on(cache.scope(observe(copied(n)))).1 == Seen::Near;
                while !is_copied() {
                    assert!(began.elapsed() < Duration::from_secs(5), "there is no copy");
                }
            }
            SOURCE.store(2, SeqCst);
            change(&server);
            // `redis-cli` was answered, and has ended since.
            sleep(Duration::from_millis(10));
            let call = |n| match kind {
                Kind::Async => runtime.block_on(cache.scope(Answer::of(copied(n), (n, 2)))),
                Kind::Sync => {
                    let _inside = cache.enter();
                    Answer::of_sync(|| copied_sync(n), (n, 2))
                }
            };
            let answers: Answers = (0..KEYS).map(call).collect();
            report.row(
                &format!("21 {name} {kind}"),
                "50 copies: 0 stale after a round trip + 10 ms; worst <= 0.1 s",
                &answers.to_string(),
                answers.errors == 0 && answers.worst() <= DEADLINE + SLACK,
            );
        }
    }
}

/// The server stands still and can tell of nothing.
pub fn freeze(report: &mut Report) {
    const AGE: Duration = Duration::from_millis(400);
    /// A connection that nobody uses is asked for a sign of life after 5 s, up to a quarter earlier or
    /// later.
    const ASKED_AFTER: Duration = Duration::from_millis(6250);
    for (bound, longest) in [("age 0.4 s", AGE), ("PING 6.25 s", ASKED_AFTER)] {
        for kind in KINDS {
            let server = Server::start();
            let cache = match bound {
                "age 0.4 s" => Cache::new(server.config().near_max_age(AGE)).unwrap(),
                _ => server.cache(),
            };
            let found = frozen::run(kind, &server, &cache, HALF_A_SECOND);
            report.row(
                &format!("22 freeze, {bound} {kind}"),
                "copies served no longer than that + 0.1 s, then none; 0 errors",
                &format!(
                    "{} copies, the last after {}, then {}; {}",
                    found.copies,
                    millis(found.oldest),
                    found.copies_after,
                    found.answers
                ),
                found.copies > 100
                    && found.oldest <= longest + DEADLINE + SLACK
                    && found.copies_after == 0
                    && found.answers.errors == 0
                    && found.answers.worst() <= DEADLINE + SLACK,
            );
        }
    }
}
