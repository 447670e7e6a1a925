//! Random faults for minutes, under async and sync callers and a writer that invalidates: no error,
//! no value older than its invalidation, no call later than by one deadline, and nothing that grows.

mod slowest;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, blocking, observe, read_through};

use self::slowest::Slowest;
use crate::proxy::{self, Proxy};
use crate::report::{DEADLINE, Report, SLACK, millis};
use crate::support::{Server, runtime};

const KEYS: usize = 300;
const ASYNC_CALLERS: usize = 64;
const SYNC_CALLERS: usize = 16;
const THINKS: Duration = Duration::from_millis(2);
const RESTS: Duration = Duration::from_millis(5);

/// The source: a version of each key, and the oldest that a call may still be handed.
static VERSIONS: [AtomicU64; KEYS] = [const { AtomicU64::new(0) }; KEYS];
static FLOORS: [AtomicU64; KEYS] = [const { AtomicU64::new(0) }; KEYS];
static CALLS: AtomicU64 = AtomicU64::new(0);
static BODIES: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);

fn read(key: usize) -> (usize, u64) {
    BODIES.fetch_add(1, SeqCst);
    (key, VERSIONS[key].load(SeqCst))
}

#[read_through(name = "soak", ttl = 5)]
async fn load(key: usize) -> (usize, u64) {
    let found = read(key);
    tokio::time::sleep(THINKS).await;
    found
}

#[read_through(name = "soak", ttl = 5)]
fn load_sync(key: usize) -> (usize, u64) {
    let found = read(key);
    sleep(THINKS);
    found
}

fn check(key: usize, floor: u64, found: (usize, u64)) {
    CALLS.fetch_add(1, SeqCst);
    if found.0 != key || found.1 < floor {
        WRONG.fetch_add(1, SeqCst);
    }
}

/// Kilobytes that an allocator may keep of what each fault takes for a moment: commands that are given
/// back, by as many tasks as there were callers. It was seen to keep 7 MB, 15 MB in a build for
/// debugging; this is twice as much. In a minute, a leak of 40 bytes a call takes more, of 100 there.
const OF_ALLOCATOR: usize = if cfg!(debug_assertions) {
    32 << 10
} else {
    16 << 10
};
/// Threads and sockets that there may be more of while several connections are replaced at the same
/// time: one is ended once there is another, and what happened is told on threads that a runtime keeps
/// for some seconds. What a sync caller leaves behind has such a thread, too.
const OF_REPLACEMENTS: usize = 8;

/// What may only grow until the soak is warm.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    kilobytes: usize,
    /// Threads and sockets without those of the proxy, which is no part of what is tested.
    threads: usize,
    sockets: usize,
}

impl Size {
    fn of_this_process(proxy: &Proxy) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        let links = files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
        let names = threads
            .flatten()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        let sockets = sockets.count();
        Self {
            kilobytes: kilobytes.unwrap_or(0),
            threads: names
                .filter(|name| name.trim_end() != proxy::THREAD)
                .count(),
            sockets: sockets.saturating_sub(2 * proxy.connections()),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            kilobytes: self.kilobytes.max(other.kilobytes),
            threads: self.threads.max(other.threads),
            sockets: self.sockets.max(other.sockets),
        }
    }
}

pub fn soak(report: &mut Report, length: Duration) {
    let seed = fastrand::u64(..);
    println!("soak of {length:?} with seed {seed}");
    fastrand::seed(seed);
    let mut server = Server::start();
    let proxy = Proxy::before(server.port());
    let cache = Cache::open(&proxy.url()).unwrap();
    let (slowest, _listening) = Slowest::of(&cache);
    let stop = Arc::<AtomicBool>::default();
    let runtime = runtime();
    let tasks = (0..ASYNC_CALLERS).map(|_| {
        let stop = stop.clone();
        let slowest = slowest.clone();
        runtime.spawn(cache.scope(async move {
            let mut late = Duration::ZERO;
            while !stop.load(SeqCst) {
                let key = fastrand::usize(..KEYS);
                let (floor, began) = (FLOORS[key].load(SeqCst), Instant::now());
                let (found, seen) = observe(load(key)).await;
                check(key, floor, found);
                slowest.ended("async", key, began, seen);
                let began = Instant::now();
                tokio::time::sleep(RESTS).await;
                late = late.max(began.elapsed());
            }
            late.saturating_sub(RESTS)
        }))
    });
    let tasks: Vec<_> = tasks.collect();
    let threads = (0..SYNC_CALLERS).map(|_| {
        let (stop, cache, slowest) = (stop.clone(), cache.clone(), slowest.clone());
        std::thread::spawn(move || {
            let _inside = cache.enter();
            let mut late = Duration::ZERO;
            while !stop.load(SeqCst) {
                let key = fastrand::usize(..KEYS);
                let (floor, began) = (FLOORS[key].load(SeqCst), Instant::now());
                let (found, seen) = blocking::observe(|| load_sync(key));
                check(key, floor, found);
                slowest.ended("sync", key, began, seen);
                let began = Instant::now();
                sleep(RESTS);
                late = late.max(began.elapsed());
            }
            late.saturating_sub(RESTS)
        })
    });
    let threads: Vec<_> = threads.collect();
    let of_writer = stop.clone();
    let writer = runtime.spawn(cache.scope(async move {
        while !of_writer.load(SeqCst) {
            let key = fastrand::usize(..KEYS);
            let version = VERSIONS[key].fetch_add(1, SeqCst) + 1;
            if load::invalidate(key).await.is_ok() {
                FLOORS[key].fetch_max(version, SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }));

    let began = Instant::now();
    let (mut warm, mut later) = (Size::default(), Size::default());
    let mut faults = 0;
    while began.elapsed() < length {
        // First each of them once, so that what they take at most is known when it is warm.
        let which = if faults < FAULTS {
            faults
        } else {
            fastrand::u32(..FAULTS)
        };
        let what = fault(which, &mut server, &proxy, &slowest);
        faults += 1;
        sleep(Duration::from_millis(fastrand::u64(200..1200)));
        let size = Size::of_this_process(&proxy);
        let is_warm = began.elapsed() > length / 3;
        let so_far = if is_warm { &mut later } else { &mut warm };
        *so_far = so_far.max(size);
        if faults % 20 == 0 {
            println!(
                "{:4} s  {} calls, {size:?}, last {what}",
                began.elapsed().as_secs(),
                CALLS.load(SeqCst)
            );
        }
    }
    stop.store(true, SeqCst);
    let mut panicked = usize::from(runtime.block_on(writer).is_err());
    let tasks = tasks.into_iter().map(|task| runtime.block_on(task).ok());
    let threads = threads.into_iter().map(|thread| thread.join().ok());
    let late: Vec<_> = tasks.chain(threads).collect();
    panicked += late.iter().filter(|late| late.is_none()).count();
    // What the machine does to callers that only rest.
    let machine = late.into_iter().flatten().max().unwrap_or_default();
    let (worst, worst_joined) = slowest.print();
    let late = DEADLINE + THINKS + SLACK + 2 * machine;
    let stats = cache.stats();
    println!("{stats}");
    // Loads under way are waited for: one that was left behind would be for all of the time there is.
    const ONE_IS_LEFT: Duration = Duration::from_secs(5);
    let began = Instant::now();
    cache.blocking().shutdown();
    let ending = began.elapsed();
    let wrong = WRONG.load(SeqCst);
    report.row(
        "soak",
        "0 errors, 0 wrong; worst <= deadline + body + machine; nothing grows, no load is left",
        &format!(
            "{faults} faults, {} outages; {} calls, {} bodies; {panicked} errors, {wrong} wrong; \
             worst {}, of who waited for another {}, a rest was late by {}; warm {warm:?}, \
             later {later:?}; ended in {}",
            stats.server().outages,
            CALLS.load(SeqCst),
            BODIES.load(SeqCst),
            millis(worst),
            millis(worst_joined),
            millis(machine),
            millis(ending),
        ),
        panicked == 0
            && wrong == 0
            && worst <= late
            // A body that began before them, and then one whose value they may take.
            && worst_joined <= late + THINKS
            && ending < ONE_IS_LEFT
            && later.kilobytes < warm.kilobytes + (warm.kilobytes / 4).max(OF_ALLOCATOR)
            && later.threads <= warm.threads + OF_REPLACEMENTS + SYNC_CALLERS
            && later.sockets <= warm.sockets + OF_REPLACEMENTS,
    );
}

const FAULTS: u32 = 12;

const NAMES: [&str; FAULTS as usize] = [
    "kill",
    "freeze",
    "black hole",
    "slow",
    "cut",
    "junk on the wire",
    "FLUSHALL",
    "CLIENT KILL",
    "full",
    "CLIENT PAUSE",
    "SCRIPT FLUSH",
    "drip",
];

/// Makes a fault and ends it again. What it is called.
fn fault(which: u32, server: &mut Server, proxy: &Proxy, slowest: &Slowest) -> &'static str {
    let name = NAMES[which as usize];
    slowest.fault(name);
    let a_while = Duration::from_millis(fastrand::u64(100..1000));
    match which {
        0 => {
            server.kill();
            sleep(a_while);
            server.restart();
        }
        1 => {
            server.freeze();
            sleep(a_while);
            server.thaw();
        }
        2 => {
            proxy.swallow();
        }
        3 => {
            proxy.delay(a_while / 5);
            sleep(a_while);
            proxy.delay(Duration::ZERO);
        }
        4 => {
            proxy.cut();
        }
        5 => {
            proxy.corrupt(true);
            sleep(a_while / 4);
            proxy.corrupt(false);
        }
        6 => {
            server.cli(&["FLUSHALL"]);
        }
        7 => {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        8 => {
            server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
            sleep(a_while);
            server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        }
        9 => {
            server.cli(&["CLIENT", "PAUSE", &a_while.as_millis().to_string()]);
        }
        10 => {
            server.cli(&["SCRIPT", "FLUSH"]);
        }
        _ => {
            // So that what is small comes in several pieces, too.
            proxy.drip(8, a_while / 20);
            sleep(a_while);
            proxy.flow();
        }
    }
    name
}
