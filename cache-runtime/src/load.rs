//! A load under way, whatever its type: from the lease to the fill, and what is given back if it
//! does not come so far.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::behind::Permit;
use crate::cache::Cache;
use crate::error::ErrorKind;
use crate::event::{Counters, EventKind};
use crate::exec::{self, Ended};
use crate::flight::{Leader, Stamp};
use crate::key::Key;
use crate::lease::Token;
use crate::spec::{Absence, Spec};
use crate::store::Lock;

/// Which value of which function a call is about.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) cache: Cache,
    pub(crate) key: Key,
    pub(crate) spec: &'static Spec,
    pub(crate) counters: Arc<Counters>,
    pub(crate) began: Instant,
}

impl Place {
    pub(crate) fn tell(&self, kind: EventKind) {
        self.counters.add(kind);
        let elapsed = || self.began.elapsed();
        self.cache.tell(kind, self.spec.name, &self.key, elapsed);
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.cache.is_same(&other.cache) && self.key == other.key
    }
}

/// What lets a load store its value.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nothing does: it goes past the cache.
    None,
    /// There are no leases: it stores whatever came in between.
    Unfenced,
    Held(Held),
}

/// A token of ours on the server.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) token: Token,
    pub(crate) lock: Lock,
    pub(crate) why: Why,
    /// Extends the token's life while the body runs.
    heartbeat: Option<Ended<()>>,
}

/// Why a token is held, which decides what becomes of it when nothing is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// For a load: given back, so that the next one loads.
    Load,
    /// For a refresh behind: kept for a while, so that a source that fails is not asked by all.
    Behind,
    /// For a refresh that was asked for: then the old value is wrong, and goes.
    Asked,
}

#[derive(Debug)]
pub(crate) struct Load {
    spec: &'static Spec,
    place: Option<Arc<Place>>,
    claim: Claim,
    leader: Option<Leader>,
    /// The stamp of the body's start.
    body: Stamp,
    /// What the attribute decided for this value; else the function's own.
    pub(crate) ttl: Option<Option<Duration>>,
    pub(crate) refused: bool,
    pub(crate) permit: Option<Permit>,
    ending: Ending,
}

/// How a load leaves its flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its caller went away: somebody else is to load.
    Left,
    Failed,
    Landed,
}

impl Load {
    /// A load that goes past the cache. A `place` is only told of it.
    pub(crate) fn past(spec: &'static Spec, place: Option<Arc<Place>>) -> Self {
        if let Some(place) = &place {
            place.tell(EventKind::Bypassed);
        }
        Self {
            spec,
            place,
            claim: Claim::None,
            leader: None,
            body: 0,
            ttl: None,
            refused: false,
            permit: None,
            ending: Ending::Left,
        }
    }

    pub(crate) fn of(place: Arc<Place>, claim: Claim, leader: Option<Leader>) -> Self {
        let event = match (&claim, &leader) {
            (Claim::Held(held), _) if held.why == Why::Behind => EventKind::Refreshing,
            (Claim::None, _) => EventKind::Bypassed,
            _ => EventKind::Led,
        };
        place.tell(event);
        let body = leader.as_ref().map_or(0, Leader::stamp);
        Self {
            spec: place.spec,
            place: Some(place),
            claim,
            leader,
            body,
            ttl: None,
            refused: false,
            permit: None,
            ending: Ending::Left,
        }
    }

    pub(crate) fn hold(
        place: &Place,
        token: Token,
        lock: Lock,
        why: Why,
        leader: Option<&Leader>,
    ) -> Claim {
        Claim::Held(Held {
            token,
            lock,
            why,
            heartbeat: heartbeat(place, token, lock, leader),
        })
    }

    /// The place, if others may be kept waiting for it.
    pub(crate) fn own_place(&self) -> Option<Arc<Place>> {
        self.place.clone().filter(|_| self.is_wanted())
    }

    /// Whether anybody but the caller wants what the body returns.
    pub(crate) fn is_wanted(&self) -> bool {
        self.leader.is_some() || !matches!(self.claim, Claim::None)
    }

    pub(crate) fn passes_over(&self, absent: bool) -> bool {
        absent && self.spec.passes_over_absence()
    }

    /// The body gave nothing that could be shared.
    pub(crate) fn failed(mut self) {
        self.ending = Ending::Failed;
    }

    /// The value cannot be written as JSON.
    pub(crate) fn unstorable(self) {
        if let Some(place) = &self.place {
            place.tell(EventKind::Unstorable);
        }
        self.failed();
    }

    /// The body gave a value that is shared with those who wait here, but not stored.
    pub(crate) fn shared(mut self, json: Vec<u8>) {
        if let Some(leader) = &self.leader {
            leader.answer(&json.into(), self.body);
        }
        self.ending = Ending::Landed;
    }

    /// Stores the value, and shares it with those who wait here.
    pub(crate) async fn fill(mut self, json: Vec<u8>, absent: bool) {
        let shared: Arc<[u8]> = json.as_slice().into();
        if let Some(leader) = &self.leader {
            leader.answer(&shared, self.body);
        }
        if let Some(place) = self.place.clone() {
            let ttl = self.ttl(absent);
            let confirmed = self.leader.as_ref().map_or(0, Leader::stamp);
            if self.store(&place, json, ttl).await
                && let Some(leader) = &self.leader
            {
                leader.answer(&shared, confirmed);
            }
        }
        self.ending = Ending::Landed;
    }

    /// Whether the server confirmed the fill.
    async fn store(&mut self, place: &Place, json: Vec<u8>, ttl: Option<Duration>) -> bool {
        let cache = &place.cache;
        if let Err(error) = cache.storable(&json, ttl) {
            debug_assert!(matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Ttl));
            place.tell(EventKind::Unstorable);
            return false;
        }
        let kept = keep_time(self.spec, ttl);
        // The claim stays here until the answer is: if the caller leaves meanwhile, the token is
        // given back, which does nothing to a value that was stored all the same.
        let held = match &self.claim {
            Claim::None => return false,
            Claim::Unfenced => {
                let outcome = cache.store().set(&place.key, json, kept).await;
                place.tell(outcome.map_or(EventKind::Failed, |()| EventKind::Filled));
                return false;
            }
            Claim::Held(held) => held,
        };
        let filling = cache
            .store()
            .fill(&place.key, held.lock, &held.token, json, kept);
        let event = match filling.await {
            Ok(true) => EventKind::Filled,
            Ok(false) => EventKind::Refused,
            Err(_) => EventKind::Failed,
        };
        let asked = held.why == Why::Asked;
        self.claim = Claim::None;
        place.tell(event);
        if event != EventKind::Filled && asked {
            // The caller asked for the new value, and would be served the old one for a whole ttl.
            // An error leaves it owed, if it can be.
            let _ = cache.remove(&place.key).await;
        }
        event == EventKind::Filled
    }

    fn ttl(&self, absent: bool) -> Option<Duration> {
        let ttl = match self.spec.none {
            Absence::StoredFor(ttl) if absent => Some(ttl),
            _ => self.ttl.unwrap_or(self.spec.ttl),
        };
        ttl.map(|ttl| jittered(ttl, self.spec.jitter_percent))
    }
}

impl Drop for Load {
    /// What is held is given back, behind, since nobody waits for it; only then the flight is left,
    /// so that who comes next does not meet our token.
    fn drop(&mut self) {
        if self.ending == Ending::Left && std::thread::panicking() {
            // It would panic for each who comes after it, so it counts as a failure.
            self.ending = Ending::Failed;
        }
        let leaving = Leaving(self.leader.take(), self.ending);
        let claim = std::mem::replace(&mut self.claim, Claim::None);
        let (Claim::Held(mut held), Some(place)) = (claim, self.place.clone()) else {
            return;
        };
        // It must not shorten what a failed refresh leaves.
        drop(held.heartbeat.take());
        let in_memory = place.cache.is_in_memory();
        let giving_back = async move {
            let _leaving = leaving;
            give_back(&place, &held).await;
        };
        if in_memory {
            // There is nothing to wait for.
            exec::wait(giving_back);
        } else {
            // Without the I/O thread the token expires.
            let _ = exec::spawn_on_io(giving_back);
        }
    }
}

async fn give_back(place: &Place, held: &Held) {
    let store = place.cache.store();
    let (key, token) = (&place.key, &held.token);
    let given_back = match held.why {
        Why::Load | Why::Asked => store.release(key, held.lock, token).await,
        Why::Behind => {
            let kept = store.extend(key, held.lock, token, place.cache.retry());
            kept.await.map(drop)
        }
    };
    // If the server does not hear of it, the token expires.
    if given_back.is_ok() {
        place.tell(EventKind::Released);
    }
}

/// Leaves the flight when it is dropped.
#[derive(Debug)]
struct Leaving(Option<Leader>, Ending);

impl Drop for Leaving {
    fn drop(&mut self) {
        let Some(leader) = self.0.take() else {
            return;
        };
        match self.1 {
            Ending::Left => drop(leader),
            Ending::Failed => leader.fail(),
            Ending::Landed => leader.land(),
        }
    }
}

/// How long a value is kept: for a function with `stale`, past its time to live.
pub(crate) fn keep_time(spec: &Spec, ttl: Option<Duration>) -> Option<Duration> {
    ttl.map(|ttl| ttl.saturating_add(spec.stale.unwrap_or_default()))
}

/// Up to so many percent less, so that values stored together do not expire together.
pub(crate) fn jittered(ttl: Duration, percent: u8) -> Duration {
    if percent == 0 {
        return ttl;
    }
    let most = ttl.mul_f64(f64::from(percent) / 100.0);
    let less = ttl.saturating_sub(most.mul_f64(fastrand::f64()));
    // A whole number of milliseconds is what a server can keep.
    Duration::from_millis(u64::try_from(less.as_millis()).unwrap_or(u64::MAX))
}

/// About so long, so that those who began to wait together do not ask together.
pub(crate) fn jittered_wait(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}

/// Extends the token's life three times in it, at most for as long as anybody waits for a load. A
/// token that is gone takes the flight off the board: who comes now would wait for a value that it
/// may not take.
fn heartbeat(
    place: &Place,
    token: Token,
    lock: Lock,
    leader: Option<&Leader>,
) -> Option<Ended<()>> {
    let life = place.spec.lease?;
    let detacher = leader.map(Leader::detacher);
    let (cache, key) = (place.cache.clone(), place.key.clone());
    let end = place.began + place.spec.follow;
    let beating = async move {
        loop {
            tokio::time::sleep(life / 3).await;
            if Instant::now() >= end {
                return;
            }
            if let Ok(false) = cache.store().extend(&key, lock, &token, life).await {
                if let Some(detacher) = detacher {
                    detacher.detach();
                }
                return;
            }
        }
    };
    exec::while_held(beating).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_takes_off_and_never_more_than_it_says() {
        let ttl = Duration::from_secs(1000);
        let drawn: Vec<_> = (0..1000).map(|_| jittered(ttl, 10)).collect();
        assert!(drawn.iter().all(|drawn| *drawn <= ttl));
        assert!(drawn.iter().all(|drawn| *drawn >= Duration::from_secs(900)));
        assert!(drawn.iter().any(|drawn| *drawn < Duration::from_secs(950)));
        assert_eq!(jittered(ttl, 0), ttl);
    }
}
