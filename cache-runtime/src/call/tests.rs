//! Every combination of what can happen at each stage of a call, with callers that leave at random.

use std::time::Duration;

use cache_macro::read_through;

use crate::config::Config;
use crate::event::EventKind;
use crate::store::Lock;
use crate::{Cache, Faults, Key};

const CALLERS: u64 = 12;
const SLOW: Duration = Duration::from_millis(2);

/// What becomes of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Ok,
    Err,
    Slow,
    /// Until its deadline, which every command has.
    Never,
}

const GATES: [Gate; 4] = [Gate::Ok, Gate::Err, Gate::Slow, Gate::Never];

impl Gate {
    fn faults(self) -> Faults {
        match self {
            Self::Ok => Faults::none(),
            Self::Err => Faults::down(),
            Self::Slow => Faults::none().delay(SLOW),
            Self::Never => Faults::none().hangs(1.0),
        }
    }
}

#[read_through(name = "gated", key = (), crate = crate, ttl = 60, lease = "10s", follow = "100ms")]
async fn load(body: Gate) -> Result<u64, ()> {
    match body {
        Gate::Ok => Ok(7),
        Gate::Err => Err(()),
        Gate::Slow => {
            tokio::time::sleep(SLOW).await;
            Ok(7)
        }
        Gate::Never => std::future::pending().await,
    }
}

/// How often each kind of event came.
fn counts(cache: &Cache) -> impl Fn(&[EventKind]) -> u64 {
    let stats = cache.stats();
    let of = stats.functions().first().cloned().unwrap_or_default();
    move |kinds| {
        let count = |kind: &EventKind| match kind {
            EventKind::Hit => of.hits,
            EventKind::Joined => of.joined,
            EventKind::Led => of.loads,
            EventKind::Bypassed => of.bypassed,
            EventKind::Filled => of.stored,
            EventKind::Refused => of.refused,
            EventKind::Failed => of.store_failed,
            EventKind::Released => of.released,
            _ => 0,
        };
        kinds.iter().map(count).sum()
    }
}

async fn adds_up(get: Gate, lease: Gate, body: Gate, fill: Gate) {
    let config = Config::new("memory://")
        .connect_timeout(Duration::from_millis(5))
        .response_timeout(Duration::from_millis(10));
    let faults = Faults::none().at("get", get.faults());
    let faults = faults.at("lease", lease.faults()).at("fill", fill.faults());
    let cache = Cache::new(config).unwrap().failing(faults);
    let callers = (0..CALLERS).map(|caller| {
        let call = cache.scope(load(body));
        // A third stays, a third leaves early, a third may just have been done.
        let patience = match caller % 3 {
            0 if body != Gate::Never => Duration::from_secs(10),
            0 | 1 => Duration::from_millis(fastrand::u64(0..3)),
            _ => Duration::from_millis(fastrand::u64(0..40)),
        };
        tokio::spawn(tokio::time::timeout(patience, call))
    });
    let callers: Vec<_> = callers.collect();
    let mut done = 0;
    for caller in callers {
        done += u64::from(caller.await.unwrap().is_ok());
    }

    let told = format!("get {get:?}, lease {lease:?}, body {body:?}, fill {fill:?}");
    // What is given back is given back behind.
    let key = Key::new("gated");
    for _ in 0..1000 {
        let sum = counts(&cache);
        let ended = [
            EventKind::Filled,
            EventKind::Refused,
            EventKind::Failed,
            EventKind::Released,
        ];
        if cache.board().is_empty() && sum(&[EventKind::Led]) == sum(&ended) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(cache.board().is_empty(), "a flight is left: {told}");
    let sum = counts(&cache);
    let ends = sum(&[
        EventKind::Filled,
        EventKind::Refused,
        EventKind::Failed,
        EventKind::Released,
    ]);
    assert_eq!(sum(&[EventKind::Led]), ends, "{told}: {:?}", cache.stats());
    let answers = sum(&[
        EventKind::Hit,
        EventKind::Joined,
        EventKind::Led,
        EventKind::Bypassed,
    ]);
    assert!(
        (done..=CALLERS).contains(&answers),
        "{done} done, {answers} told: {told}"
    );
    let free = crate::lease::Token::fresh();
    let taken = cache
        .store()
        .claim(&key, &free, Duration::from_secs(1), false)
        .await;
    assert!(taken.unwrap(), "a refresh is left: {told}");
    cache
        .store()
        .release(&key, Lock::Refresh, &free)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_at_each_stage_the_counters_add_up_and_nothing_is_left() {
    let mut cases = Vec::new();
    for get in GATES {
        for lease in GATES {
            for body in GATES {
                for fill in GATES {
                    cases.push(tokio::spawn(adds_up(get, lease, body, fill)));
                }
            }
        }
    }
    for case in cases {
        case.await.unwrap();
    }
}

/// A thread without a runtime, which has no timer to wait by.
#[test]
fn a_lease_that_cannot_be_given_back_keeps_nobody() {
    #[read_through(name = "kept", key = (), crate = crate, ttl = 60)]
    fn kept() -> u64 {
        7
    }

    let faults = Faults::none().at("fill", Faults::down());
    let cache = Cache::in_memory().failing(faults.at("release", Faults::down()));
    let _inside = cache.enter();
    let began = std::time::Instant::now();
    assert_eq!((kept(), kept()), (7, 7));
    cache.failing(Faults::none());
    assert_eq!((kept(), kept()), (7, 7));
    assert!(
        began.elapsed() < crate::spec::Spec::LEASE,
        "it was waited for"
    );
    let stats = cache.stats();
    let of = stats.function("kept").unwrap();
    assert_eq!((of.loads, of.bypassed, of.hits), (2, 1, 1), "{of:?}");
}
