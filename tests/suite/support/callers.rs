//! Callers who never rest while something happens to the server, and what became of them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, observe, read_through};

#[read_through(name = "slow", key = "n", ttl = 60)]
async fn slow(n: u64) -> Result<u64, ()> {
    tokio::time::sleep(Duration::from_millis(2)).await;
    Ok(n * 2)
}

#[read_through(name = "slow_sync", key = "n", ttl = 60)]
fn slow_sync(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(2));
    n * 2
}

/// One call that ended.
#[derive(Clone, Copy, Debug)]
struct Call {
    key: u64,
    ended: Instant,
    took: Duration,
    was_hit: bool,
}

/// Eight async callers, one sync caller, and somebody who invalidates.
#[derive(Debug)]
pub struct Callers {
    keys: u64,
    runtime: tokio::runtime::Runtime,
    stop: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Call>>>,
    running: Vec<tokio::task::JoinHandle<()>>,
    sync: std::thread::JoinHandle<()>,
}

impl Callers {
    pub fn start(cache: &Cache, keys: u64) -> Self {
        let runtime = super::runtime();
        let stop = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut running = Vec::new();
        for _ in 0..8 {
            let (cache, stop, calls) = (cache.clone(), stop.clone(), calls.clone());
            running.push(runtime.spawn(async move {
                while !stop.load(Relaxed) {
                    let key = fastrand::u64(0..keys);
                    let began = Instant::now();
                    let (value, seen) = cache.scope(observe(slow(key))).await;
                    assert_eq!(value, Ok(key * 2));
                    note(&calls, key, began, matches!(seen, Seen::Stored));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }));
        }
        let (inside, stopped) = (cache.clone(), stop.clone());
        running.push(runtime.spawn(async move {
            while !stopped.load(Relaxed) {
                let key = fastrand::u64(0..keys);
                inside.scope(slow::invalidate(key)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
        let (inside, stopped, noted) = (cache.clone(), stop.clone(), calls.clone());
        let sync = std::thread::spawn(move || {
            let _entered = inside.enter();
            while !stopped.load(Relaxed) {
                let key = fastrand::u64(0..keys);
                let began = Instant::now();
                assert_eq!(slow_sync(key), key * 2);
                note(&noted, key, began, false);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let callers = Self {
            keys,
            runtime,
            stop,
            calls,
            running,
            sync,
        };
        let began = Instant::now();
        callers.wait_for_hits(began, Duration::from_secs(30));
        assert!(callers.all_were_hits_since(began), "nothing is cached");
        callers
    }

    /// Waits until every key was a hit since `since`, for so long at most, and ends the callers.
    /// An answer that is wrong, an error or a panic in any of them fails the test here.
    pub fn end_once_all_keys_hit(self, since: Instant, longest: Duration) -> Report {
        self.wait_for_hits(since, longest);
        self.stop.store(true, Relaxed);
        for running in self.running {
            self.runtime.block_on(running).unwrap();
        }
        self.sync.join().unwrap();
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        Report {
            keys: self.keys,
            calls,
            since,
        }
    }

    fn wait_for_hits(&self, since: Instant, longest: Duration) {
        while since.elapsed() < longest && !self.all_were_hits_since(since) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn all_were_hits_since(&self, since: Instant) -> bool {
        let calls = self.calls.lock().unwrap();
        let hits = calls.iter().filter(|of| of.was_hit && of.ended > since);
        let keys: HashSet<_> = hits.map(|of| of.key).collect();
        keys.len() as u64 == self.keys
    }
}

fn note(calls: &Mutex<Vec<Call>>, key: u64, began: Instant, was_hit: bool) {
    calls.lock().unwrap().push(Call {
        key,
        ended: Instant::now(),
        took: began.elapsed(),
        was_hit,
    });
}

#[derive(Debug)]
pub struct Report {
    keys: u64,
    calls: Vec<Call>,
    since: Instant,
}

impl Report {
    fn worst(&self) -> Duration {
        self.calls.iter().map(|of| of.took).max().unwrap()
    }

    /// The call that took longer than 99 of 100.
    fn p99(&self) -> Duration {
        let mut took: Vec<_> = self.calls.iter().map(|of| of.took).collect();
        took.sort();
        took[took.len() * 99 / 100]
    }

    /// Until the last of the keys was a hit again, or nothing if one never was.
    fn until_all_hit(&self) -> Option<Duration> {
        let first = |key| {
            let hits = self.calls.iter().filter(|of| of.was_hit && of.key == key);
            hits.map(|of| of.ended)
                .find(|at| *at > self.since)
                .map(|at| at - self.since)
        };
        (0..self.keys)
            .map(first)
            .max_by_key(|first| first.unwrap_or(Duration::MAX))?
    }

    /// Prints the figures, and fails where 99 of 100 calls took longer than a deadline, with room
    /// for a slow machine, or hits did not come back.
    ///
    /// A key may take longer, for as long as a lease lives: one that was taken just before can
    /// outlive its server by a replica of it. `tests/drills` has the figures of a machine that does
    /// nothing else.
    pub fn keeps_promises(&self, drill: &str) {
        const LEASE: Duration = Duration::from_secs(3);
        const ROOM: Duration = Duration::from_secs(1);
        self.print(drill);
        assert!(self.p99() < Duration::from_millis(250));
        assert!(self.worst() < LEASE + ROOM);
        assert!(self.until_all_hit().is_some_and(|took| took < LEASE + ROOM));
    }

    fn print(&self, drill: &str) {
        println!(
            "{drill}: {} calls, p99 {:?}, worst {:?}, all keys hits again after {:?}",
            self.calls.len(),
            self.p99(),
            self.worst(),
            self.until_all_hit(),
        );
    }
}
