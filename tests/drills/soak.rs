//! Random faults for minutes, under async and sync callers and a writer that invalidates: no error,
//! no value older than its invalidation, no call later than by one deadline, and nothing that grows.
//! Some callers leave half way; some bodies, values and wakers panic.

mod slowest;
mod source;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_runtime::Cache;

use self::slowest::Slowest;
use self::source::{BODIES, CALLS, KEYS, LEFT, PANICS, THINKS, WRONG};
pub use self::world::World;
use crate::proxy;
use crate::report::{DEADLINE, Report, SLACK, millis};
use crate::support::runtime;

const ASYNC_CALLERS: usize = 64;
const SYNC_CALLERS: usize = 16;
const RESTS: Duration = Duration::from_millis(2);

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
    fn of_this_process(world: &World) -> Self {
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
            sockets: sockets.saturating_sub(world.sockets_of_proxy()),
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

pub fn soak(report: &mut Report, length: Duration, mut world: World) {
    let seed = fastrand::u64(..);
    println!("soak of {length:?} with seed {seed}");
    fastrand::seed(seed);
    let cache = Cache::open(&world.url()).unwrap();
    let (slowest, _listening) = Slowest::of(&cache);
    let stop = Arc::<AtomicBool>::default();
    let runtime = runtime();
    let tasks = (0..ASYNC_CALLERS).map(|_| {
        let stop = stop.clone();
        let slowest = slowest.clone();
        runtime.spawn(cache.scope(async move {
            let mut late = Duration::ZERO;
            while !stop.load(SeqCst) {
                let (key, began) = (fastrand::usize(..KEYS), Instant::now());
                if let Some(seen) = source::call(key).await {
                    slowest.ended("async", key, began, seen);
                }
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
                let (key, began) = (fastrand::usize(..KEYS), Instant::now());
                if let Some(seen) = source::call_sync(key) {
                    slowest.ended("sync", key, began, seen);
                }
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
            source::change(fastrand::usize(..KEYS)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }));

    // A first connection has a time of its own.
    const CONNECTED: u64 = 1_000;
    while CALLS.load(SeqCst) < CONNECTED {
        sleep(RESTS);
    }
    let began = Instant::now();
    let (mut warm, mut later) = (Size::default(), Size::default());
    let mut faults = 0;
    let names = world.faults();
    while began.elapsed() < length {
        // First each of them once, so that what they take at most is known when it is warm.
        let name = match names.get(faults) {
            Some(name) => name,
            None => names[fastrand::usize(..names.len())],
        };
        slowest.fault(name);
        world.make(name);
        faults += 1;
        sleep(Duration::from_millis(fastrand::u64(30..700)));
        let size = Size::of_this_process(&world);
        let is_warm = began.elapsed() > length / 3;
        let so_far = if is_warm { &mut later } else { &mut warm };
        *so_far = so_far.max(size);
        if faults % 20 == 0 {
            println!(
                "{:4} s  {} calls, {size:?}, last {name}",
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
            "{faults} faults, {} outages; {} calls, {} bodies, {} panics on purpose, {} callers left; \
             {panicked} errors, {wrong} wrong; \
             worst {}, of who waited for another {}, a rest was late by {}; warm {warm:?}, \
             later {later:?}; ended in {}",
            stats.server().outages,
            CALLS.load(SeqCst),
            BODIES.load(SeqCst),
            PANICS.load(SeqCst),
            LEFT.load(SeqCst),
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
