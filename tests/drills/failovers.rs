//! The master dies, freezes or moves, and another takes its place.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::Cache;

use crate::callers::{Callers, Calls, KEYS, load};
use crate::report::{DEADLINE, HALF_A_SECOND, Report, millis};
use crate::support::{Cluster, Sentinel, Server};

/// Together, since each drill takes its time to set up.
const ASYNC_CALLERS: usize = 8;
const SYNC_CALLERS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    Frozen,
}

impl Fault {
    const BOTH: [(&str, Self); 2] = [("killed", Self::Killed), ("frozen", Self::Frozen)];

    fn strike(self, master: &mut Server) {
        match self {
            Self::Killed => master.kill(),
            Self::Frozen => master.freeze(),
        }
    }
}

/// Callers who have stored what they call, and one who invalidates, so that there are always leases.
fn warm(cache: &Cache) -> Callers {
    let callers = Callers::start(cache, ASYNC_CALLERS, SYNC_CALLERS);
    callers.spawn(cache.scope(async {
        loop {
            load::invalidate(fastrand::u64(..KEYS)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }));
    sleep(Duration::from_secs(3));
    callers
}

/// What happened to a master while there were calls.
struct Failover {
    calls: Calls,
    /// Those of the keys that the master had.
    of_master: Calls,
    struck: Instant,
    promoted: Instant,
    /// So long after the promotion there are hits again.
    back_within: Duration,
}

impl Failover {
    fn report(&self, report: &mut Report, drill: &str) {
        let since = |from| self.of_master.between(from, Instant::now());
        let (struck, away) = (
            since(self.struck),
            self.of_master.between(self.struck, self.promoted),
        );
        let (p99, bare) = away.p99();
        let back = since(self.promoted).hit_after(self.promoted);
        report.row(
            drill,
            &format!(
                "0 errors; worst <= 0.1 s; hits < {:.1} s after promotion",
                self.back_within.as_secs_f64()
            ),
            &format!(
                "{} calls, {} errors; {} of its keys in {} until promotion, p99 {}, of a bare body {}; \
                 worst {}; hits after {}",
                self.calls.calls.len(),
                self.calls.errors(),
                away.calls.len(),
                millis(self.promoted - self.struck),
                millis(p99),
                millis(bare),
                millis(struck.worst()),
                back.map_or_else(|| "never".to_owned(), millis),
            ),
            self.calls.errors() == 0
                && struck.waited_once()
                && back.is_some_and(|back| back < self.back_within),
        );
    }
}

/// Three masters and a replica of each; one of the masters is struck.
pub fn cluster(report: &mut Report) {
    for (name, fault) in Fault::BOTH {
        let mut cluster = Cluster::start_with(1, &["--cluster-node-timeout", "2000"]);
        let cache = Cache::open(&cluster.url()).unwrap();
        let callers = warm(&cache);
        let (master, replica) = cluster.master_and_replica();
        let keys: HashSet<_> = cluster.nodes[master].keys().into_iter().collect();
        let struck = Instant::now();
        fault.strike(&mut cluster.nodes[master]);
        cluster.wait_for_promotion(replica);
        let promoted = Instant::now();
        sleep(Duration::from_secs(2));
        let calls = callers.end();
        let failover = Failover {
            of_master: calls.only(|call| call.is_bare() || keys.contains(&call.key())),
            calls,
            struck,
            promoted,
            back_within: Duration::from_secs(1),
        };
        failover.report(report, &format!("23 cluster {name}"));
    }
}

/// Slots move from one master to another and back.
pub fn reshard(report: &mut Report) {
    let cluster = Cluster::start();
    let cache = Cache::open(&cluster.url()).unwrap();
    let callers = warm(&cache);
    let began = Instant::now();
    cluster.reshard(400, 0, 1);
    cluster.reshard(400, 1, 0);
    let took = began.elapsed();
    let calls = callers.end();
    let meanwhile = calls.between(began, Instant::now());
    let (p99, bare) = meanwhile.p99();
    report.row(
        "24 cluster reshard",
        "400 slots there and back: 0 errors, p99 < 0.1 s",
        &format!(
            "{} calls in {}, {} hits, {} errors; p99 {}, of a bare body {}; worst {}",
            meanwhile.calls.len(),
            millis(took),
            meanwhile.hits(),
            calls.errors(),
            millis(p99),
            millis(bare),
            millis(meanwhile.worst()),
        ),
        calls.errors() == 0 && p99 < DEADLINE,
    );
}

/// A master, its replica, and a sentinel that calls the master dead after a second.
pub fn sentinel(report: &mut Report) {
    for (name, fault) in Fault::BOTH {
        let mut sentinel = Sentinel::start();
        let cache = Cache::open(&sentinel.url()).unwrap();
        let callers = warm(&cache);
        let struck = Instant::now();
        fault.strike(&mut sentinel.master);
        sentinel.wait_for_promotion();
        let promoted = Instant::now();
        sleep(Duration::from_secs(2));
        let calls = callers.end();
        let failover = Failover {
            of_master: calls.only(|_| true),
            calls,
            struck,
            promoted,
            back_within: HALF_A_SECOND,
        };
        failover.report(report, &format!("25 sentinel {name}"));
    }
}
