//! Callers that call on and on while something happens to the server, and what they saw.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, blocking, observe, read_through, uncached};
use tokio::runtime::Runtime;

use crate::report::{DEADLINE, SLACK};
use crate::scenarios::Kind;
use crate::support::runtime;

pub const BODY: Duration = Duration::from_millis(2);
/// So many that callers seldom meet: who meets another's body waits for it.
pub const KEYS: u64 = 2000;

pub fn value(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[read_through(name = "drill", ttl = 600)]
pub async fn load(n: u64) -> u64 {
    tokio::time::sleep(BODY).await;
    value(n)
}

#[read_through(name = "drill-sync", ttl = 600)]
pub fn load_sync(n: u64) -> u64 {
    std::thread::sleep(BODY);
    value(n)
}

/// How many callers of which kind: async ones only, sync ones only.
pub const EIGHT_OF_EACH: [(Kind, usize, usize); 2] = [(Kind::Async, 8, 0), (Kind::Sync, 0, 8)];

#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The name of its function, and its argument.
    of: (&'static str, u64),
    pub began: Instant,
    pub took: Duration,
    pub hit: bool,
    right: bool,
    /// The body by itself, to tell what the machine adds.
    bare: bool,
}

impl Call {
    /// What its value is stored under.
    pub fn key(&self) -> String {
        format!("cache:{}:{}", self.of.0, self.of.1)
    }

    #[cfg(all(feature = "cluster", feature = "sentinel"))]
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// Over what the body takes.
    pub fn extra(&self) -> Duration {
        self.took.saturating_sub(BODY)
    }
}

fn is_hit(seen: Seen) -> bool {
    matches!(seen, Seen::Stored)
}

async fn call(cache: &Cache, n: u64, bare: bool) -> Call {
    let began = Instant::now();
    let (found, seen) = match bare {
        true => (uncached(load(n)).await, Seen::Bypassed),
        false => cache.scope(observe(load(n))).await,
    };
    Call {
        of: ("drill", n),
        began,
        took: began.elapsed(),
        hit: is_hit(seen),
        right: found == value(n),
        bare,
    }
}

/// On a thread inside of the cache.
fn call_sync(n: u64, bare: bool) -> Call {
    let began = Instant::now();
    let (found, seen) = match bare {
        true => (blocking::uncached(|| load_sync(n)), Seen::Bypassed),
        false => blocking::observe(|| load_sync(n)),
    };
    Call {
        of: ("drill-sync", n),
        began,
        took: began.elapsed(),
        hit: is_hit(seen),
        right: found == value(n),
        bare,
    }
}

/// One call from this thread.
pub fn one(kind: Kind, cache: &Cache, runtime: &Runtime, n: u64) -> Call {
    match kind {
        Kind::Async => runtime.block_on(call(cache, n, false)),
        Kind::Sync => {
            let _inside = cache.enter();
            call_sync(n, false)
        }
    }
}

/// Callers under way.
pub struct Callers {
    stop: Arc<AtomicBool>,
    seen: mpsc::Receiver<Call>,
    threads: Vec<JoinHandle<()>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
}

/// What async callers and sync ones saw.
pub struct Calls {
    pub calls: Vec<Call>,
    /// Callers that ended by a panic.
    panicked: usize,
}

impl Callers {
    /// So many of each kind, and beside them one that runs the body without a cache.
    pub fn start(cache: &Cache, of_async: usize, of_sync: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (tell, seen) = mpsc::channel();
        let runtime = runtime();
        let with_bare = |callers: usize| (0..callers + usize::from(callers > 0)).rev();
        let tasks = with_bare(of_async).map(|caller| {
            let (cache, stop, tell) = (cache.clone(), stop.clone(), tell.clone());
            runtime.spawn(async move {
                while !stop.load(Relaxed) {
                    let call = call(&cache, fastrand::u64(..KEYS), caller == 0).await;
                    // Nobody listens any more once the drill ends.
                    let _ = tell.send(call);
                    tokio::task::yield_now().await;
                }
            })
        });
        let tasks = tasks.collect();
        let threads = with_bare(of_sync).map(|caller| {
            let (cache, stop, tell) = (cache.clone(), stop.clone(), tell.clone());
            std::thread::spawn(move || {
                let _inside = cache.enter();
                while !stop.load(Relaxed) {
                    let _ = tell.send(call_sync(fastrand::u64(..KEYS), caller == 0));
                }
            })
        });
        let threads = threads.collect();
        Self {
            stop,
            seen,
            threads,
            tasks,
            runtime,
        }
    }

    /// Another task for the runtime of the async callers.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    pub fn end(self) -> Calls {
        self.stop.store(true, Relaxed);
        let mut panicked = 0;
        for task in self.tasks {
            panicked += usize::from(self.runtime.block_on(task).is_err());
        }
        for thread in self.threads {
            panicked += usize::from(thread.join().is_err());
        }
        Calls {
            calls: self.seen.try_iter().collect(),
            panicked,
        }
    }
}

impl FromIterator<Call> for Calls {
    fn from_iter<I: IntoIterator<Item = Call>>(calls: I) -> Self {
        Self {
            calls: calls.into_iter().collect(),
            panicked: 0,
        }
    }
}

impl Calls {
    /// Callers that were handed an error, a panic or a wrong value.
    pub fn errors(&self) -> usize {
        self.panicked + self.calls.iter().filter(|call| !call.right).count()
    }

    /// Those that began between these moments.
    pub fn between(&self, from: Instant, to: Instant) -> Self {
        self.only(|call| (from..to).contains(&call.began))
    }

    pub fn only(&self, which: impl Fn(&Call) -> bool) -> Self {
        self.calls
            .iter()
            .filter(|call| which(call))
            .copied()
            .collect()
    }

    pub fn hits(&self) -> usize {
        self.calls.iter().filter(|call| call.hit).count()
    }

    /// The longest of the calls of the cache, over the body.
    pub fn worst(&self) -> Duration {
        self.extra(false).last().copied().unwrap_or_default()
    }

    /// Whether no call was later than by one deadline and what the machine adds, which it adds to a
    /// bare body, too.
    pub fn waited_once(&self) -> bool {
        let bare = self.extra(true).last().copied().unwrap_or_default();
        self.worst() <= DEADLINE + SLACK + 2 * bare
    }

    /// What all but one of a hundred stay below, over the body; and the same of the body itself.
    pub fn p99(&self) -> (Duration, Duration) {
        let of = |extra: Vec<Duration>| {
            let at = extra.len() * 99 / 100;
            extra.get(at).copied().unwrap_or_default()
        };
        (of(self.extra(false)), of(self.extra(true)))
    }

    fn extra(&self, bare: bool) -> Vec<Duration> {
        let calls = self.calls.iter().filter(|call| call.bare == bare);
        let mut extra: Vec<_> = calls.map(Call::extra).collect();
        extra.sort();
        extra
    }

    /// How long after this moment somebody had a hit again.
    pub fn hit_after(&self, moment: Instant) -> Option<Duration> {
        let hits = self.calls.iter().filter(|call| call.hit);
        let answered = hits.map(|call| call.began + call.took);
        answered
            .filter_map(|at| at.checked_duration_since(moment))
            .min()
    }
}
