//! One cold key and many callers, in processes that get little time to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::{Cache, read_through};

use crate::report::Report;
use crate::scenarios::answers::{Answer, Answers};
use crate::support::{Fleet, Server, runtime, tell, wait_to_go};

/// The name of a process with many callers of one key.
pub const CALLERS: &str = "busy-callers";

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "busy", ttl = 60)]
async fn load() -> u64 {
    BODIES.fetch_add(1, Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    7
}

pub fn work() {
    let cache = Cache::open(&std::env::var("URL").unwrap()).unwrap();
    let callers: u64 = std::env::var("CALLERS").unwrap().parse().unwrap();
    let runtime = runtime();
    // Connected, however busy the machine is while all start.
    while runtime.block_on(cache.ping()).is_err() {}
    wait_to_go();
    let calls = (0..callers).map(|_| runtime.spawn(cache.scope(Answer::of(load(), 7))));
    let calls: Vec<_> = calls.collect();
    let answers = calls.into_iter().map(|call| runtime.block_on(call).ok());
    answers.collect::<Answers>().tell();
    tell("bodies", BODIES.load(Relaxed));
}

#[derive(Debug)]
struct Figures {
    bodies: u64,
    answers: Answers,
}

/// A fleet of such processes, each with so many callers. `prepare` sees it before it goes.
fn run(processes: u64, callers: u64, prepare: impl FnOnce(&Fleet)) -> Figures {
    let server = Server::start();
    let callers = callers.to_string();
    let variables = [("URL", server.url()), ("CALLERS", callers)];
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut fleet = Fleet::start(CALLERS, processes, &variables);
    prepare(&fleet);
    fleet.go();
    let told = fleet.end();
    Figures {
        bodies: told.sum("bodies"),
        answers: Answers::told(&told),
    }
}

/// A group of processes that may use a part of a core, removed with this value.
struct Quota(PathBuf);

impl Quota {
    /// 20 percent, or `None` where this process may not make such a group.
    fn of_a_fifth() -> Option<Self> {
        let name = format!("cache-drill-{}", std::process::id());
        let [old, new] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"].map(Path::new);
        let (parent, settings): (_, &[_]) = match old.is_dir() {
            true => (
                old,
                &[
                    ("cpu.cfs_period_us", "100000"),
                    ("cpu.cfs_quota_us", "20000"),
                ],
            ),
            false => (new, &[("cpu.max", "20000 100000")]),
        };
        let group = Self(parent.join(name));
        fs::create_dir(&group.0).ok()?;
        for (file, setting) in settings {
            fs::write(group.0.join(file), setting).ok()?;
        }
        Some(group)
    }

    fn add(&self, process: u32) {
        fs::write(self.0.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // An error is that of a group that was never made.
        let _ = fs::remove_dir(&self.0);
    }
}

pub fn quota(report: &mut Report) {
    const PROMISE: &str = "a fifth of a core, 1,000 callers of one cold key: 1 body";
    let Some(quota) = Quota::of_a_fifth() else {
        println!("quota: skipped, since this user may not make a control group");
        return;
    };
    let found = run(1, 1000, |fleet| {
        fleet.processes().for_each(|process| quota.add(process))
    });
    report.row(
        "quota",
        PROMISE,
        &format!("{} bodies; {}", found.bodies, found.answers),
        found.bodies == 1 && found.answers.errors == 0,
    );
}

pub fn busy(report: &mut Report) {
    let quiet = run(20, 50, |_| {});
    report.row(
        "20 processes, quiet",
        "20 x 50 callers of one cold key: 1 body",
        &format!("{} bodies; {}", quiet.bodies, quiet.answers),
        quiet.bodies == 1 && quiet.answers.errors == 0,
    );
    let loaded = Spinners::during(|| run(20, 50, |_| {}));
    report.row(
        "20 processes, loaded",
        "the same beside 40 threads that spin: 0 errors",
        &format!("{} bodies; {}", loaded.bodies, loaded.answers),
        loaded.answers.errors == 0,
    );
}

/// Threads that use all cores.
struct Spinners;

impl Spinners {
    const COUNT: usize = 40;

    fn during<T>(work: impl FnOnce() -> T) -> T {
        let ended = AtomicBool::new(false);
        std::thread::scope(|threads| {
            for _ in 0..Self::COUNT {
                threads.spawn(|| {
                    while !ended.load(Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let done = work();
            ended.store(true, Relaxed);
            done
        })
    }
}
