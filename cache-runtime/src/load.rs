//! A load under way, whatever its type: from the lease to the fill, and what is given back if it
//! does not come so far.

mod give_back;
mod life;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::give_back::{Leaving, give_back};
pub(crate) use self::life::{LONGEST, keep_time, time_to_live};
use crate::cache::Permit;
use crate::error::{Error, ErrorKind};
use crate::event::EventKind;
use crate::exec::{self, Later};
use crate::flight::{Leader, LeaderPolls, Stamp};
use crate::lease::Token;
use crate::load_chain::LoadId;
use crate::place::Place;
use crate::run::Run;
use crate::spec::Spec;
use crate::store::Lock;

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
    /// A fill was tried and told of.
    told: bool,
    /// Extends the token's life while the body runs.
    heartbeat: Option<Later>,
}

/// Why a token is held, which decides what becomes of it when nothing is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// For a load: given back, so that the next one loads.
    Load,
    /// For a refresh behind. If it fails it is kept for a while, so that the source is not asked by
    /// everybody.
    Behind,
    /// For a refresh that was asked for.
    Asked,
}

impl Why {
    /// Whether there is an old value beside the token, which goes when the new one is not stored:
    /// the source has said that it is wrong.
    fn outdates(self) -> bool {
        matches!(self, Self::Behind | Self::Asked)
    }
}

#[derive(Debug)]
pub(crate) struct Load {
    place: Option<Arc<Place>>,
    claim: Claim,
    leader: Option<Leader>,
    /// The stamp of the body's start.
    body: Stamp,
    /// None if there is no cache.
    pub(crate) run: Option<Arc<Run>>,
    /// What the attribute decided for this value; else the function's own.
    pub(crate) ttl: Option<Option<Duration>>,
    /// `store_if` said no.
    pub(crate) left_out: bool,
    pub(crate) permit: Option<Permit>,
    /// How long its caller waits for the storing, if for less than it may take.
    pub(crate) limit: Option<Duration>,
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
    pub(crate) fn past(place: Option<Arc<Place>>) -> Self {
        let load = Self::untold(place);
        load.came_to(EventKind::Bypassed);
        load
    }

    fn untold(place: Option<Arc<Place>>) -> Self {
        Self {
            run: place.as_ref().map(|place| Run::of(place.spec)),
            place,
            claim: Claim::None,
            leader: None,
            body: 0,
            ttl: None,
            left_out: false,
            permit: None,
            limit: None,
            ending: Ending::Left,
        }
    }

    pub(crate) fn of(place: Arc<Place>, claim: Claim, leader: Option<Leader>) -> Self {
        let mut load = Self::untold(Some(place));
        load.body = leader.as_ref().map_or(0, Leader::begins_body);
        load.claim = claim;
        load.leader = leader;
        match &load.claim {
            Claim::Held(held) if held.why == Why::Behind => load.tell(EventKind::Refreshing),
            Claim::None => load.came_to(EventKind::Bypassed),
            _ => load.tell(EventKind::Led),
        }
        load
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
            told: false,
            heartbeat: heartbeat(place, token, lock, leader),
        })
    }

    /// What is loaded, if others may wait for it.
    pub(crate) fn id(&self) -> Option<LoadId> {
        let is_waited_for = self.leader.is_some() || !matches!(self.claim, Claim::None);
        let place = self.place.as_ref().filter(|_| is_waited_for);
        place.map(|place| place.load_id())
    }

    /// What the leader does is polled by this.
    pub(crate) fn polls(&self) -> Option<LeaderPolls> {
        self.leader.as_ref().map(Leader::polls)
    }

    /// The function, if there is a cache for it.
    pub(crate) fn spec(&self) -> Option<&'static Spec> {
        self.place.as_ref().map(|place| place.spec)
    }

    /// The values of the function are of the type with this name.
    pub(crate) fn holds(&self, of: Option<&'static str>) {
        if let (Some(place), Some(of)) = (&self.place, of) {
            place.instance.note_value(of);
        }
    }

    /// Whether anybody but the caller wants what the body returned. Who joins later looks again.
    pub(crate) fn is_wanted(&self) -> bool {
        let is_followed = || self.leader.as_ref().is_some_and(Leader::is_followed);
        !matches!(self.claim, Claim::None) || is_followed()
    }

    /// It was returned, and that was all.
    pub(crate) fn unwanted(mut self) {
        self.ending = Ending::Landed;
    }

    /// The body has returned.
    pub(crate) fn returned(&self) {
        if let (Some(run), Some(place)) = (&self.run, &self.place) {
            run.returned(place.counters());
        }
    }

    /// The body gave nothing that could be shared.
    pub(crate) fn failed(mut self) {
        self.ending = Ending::Failed;
    }

    /// The value cannot be written as JSON.
    pub(crate) fn unstorable(self, why: &Error) {
        self.warn_once(why);
        self.came_to(EventKind::Unstorable);
        self.failed();
    }

    /// Stores the value, if it is to be stored, and shares it with those who wait here. For a caller
    /// who has waited long enough for the server it goes on behind.
    pub(crate) async fn fill(self, json: Vec<u8>, absent: bool) {
        let (limit, outdated) = (self.limit, self.outdated());
        let filling = self.fill_and_land(json, absent);
        match limit {
            None => filling.await,
            Some(limit) => {
                if let Err(filling) = exec::within_or_back(limit, Box::pin(filling)).await {
                    if let Some(place) = outdated {
                        place.cache.owe(&place.key);
                    }
                    exec::go_on_and_tell(filling);
                }
            }
        }
    }

    /// Where an old value stands that this process must not read once the new one was returned.
    fn outdated(&self) -> Option<Arc<Place>> {
        match &self.claim {
            Claim::Held(held) if held.why == Why::Asked && held.lock == Lock::Refresh => {
                self.place.clone()
            }
            _ => None,
        }
    }

    async fn fill_and_land(mut self, json: Vec<u8>, absent: bool) {
        let Some(place) = self.place.clone() else {
            return;
        };
        let shared: Arc<[u8]> = json.as_slice().into();
        let stores = !self.is_left_out(place.spec, absent);
        if let Some(leader) = &self.leader {
            if stores {
                leader.stores();
            }
            leader.answer(&shared, self.body);
        }
        let confirmed = self.leader.as_ref().map_or(0, Leader::stamp);
        if stores && self.store(&place, json, absent).await {
            if let Some(leader) = &self.leader {
                leader.answer(&shared, confirmed);
            }
        } else if matches!(&self.claim, Claim::Held(held) if held.why.outdates()) {
            // An error leaves the old value owed, if it can be.
            let _ = place.cache.remove(&place.key).await;
        }
        self.ending = Ending::Landed;
    }

    /// Whether the attribute does not let this value be stored.
    fn is_left_out(&self, spec: &Spec, absent: bool) -> bool {
        self.left_out || (absent && spec.passes_over_absence())
    }

    /// Whether the server confirmed the fill.
    async fn store(&mut self, place: &Place, json: Vec<u8>, absent: bool) -> bool {
        let cache = &place.cache;
        let ttl = time_to_live(place.spec, absent, self.ttl);
        if let Err(error) = cache.storable(&json, ttl) {
            debug_assert!(matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Ttl));
            self.warn_once(&error);
            self.came_to(EventKind::Unstorable);
            return false;
        }
        place.counters().sizes.saw(json.len());
        let kept = keep_time(place.spec, ttl);
        cache.near().forget(&place.key);
        // The claim stays here until the answer is: if the caller leaves meanwhile, the token is
        // given back, which does nothing to a value that was stored all the same.
        let held = match &mut self.claim {
            Claim::None => return false,
            Claim::Unfenced => {
                let outcome = cache.store().set(&place.key, json, kept).await;
                cache.near().forget(&place.key);
                self.came_to(outcome.map_or(EventKind::Failed, |()| EventKind::Filled));
                return false;
            }
            Claim::Held(held) => held,
        };
        let filling = cache
            .store()
            .fill(&place.key, held.lock, &held.token, json, kept);
        let filled = filling.await;
        // Once more, for who read in between what is replaced now.
        cache.near().forget(&place.key);
        held.told = true;
        let confirmed = matches!(filled, Ok(true));
        if confirmed || (filled.is_ok() && held.why != Why::Asked) {
            // Nothing of ours is there any more. After an error it may be, and is given back. Of a
            // refresh in the background the value that is there may be a newer one; the caller of
            // `refresh` has said that it is wrong.
            self.claim = Claim::None;
        }
        self.came_to(match filled {
            Ok(true) => EventKind::Filled,
            Ok(false) => EventKind::Refused,
            Err(_) => EventKind::Failed,
        });
        confirmed
    }

    /// Once for each function, since it is a matter of its type more than of one value. The cause of
    /// the error is left out: serde's messages quote what they meet.
    fn warn_once(&self, why: &Error) {
        let Some(place) = &self.place else {
            return;
        };
        if place.counters().is_first_unstorable() {
            let function = place.spec.name();
            tracing::warn!(function, "a value is returned but not stored: {why}");
        }
    }

    fn came_to(&self, outcome: EventKind) {
        if let Some(run) = &self.run {
            run.came_to(outcome);
        }
        self.tell(outcome);
    }

    fn tell(&self, kind: EventKind) {
        if let Some(place) = &self.place {
            place.tell(kind);
        }
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
        if self.is_wanted()
            && self.ending != Ending::Landed
            && let Some(run) = &self.run
        {
            run.came_to(self.ending);
        }
        let leaving = Leaving(self.leader.take(), self.ending);
        let claim = std::mem::replace(&mut self.claim, Claim::None);
        let (Claim::Held(mut held), Some(place)) = (claim, self.place.clone()) else {
            return;
        };
        if let Some(leader) = &leaving.0 {
            leader.gives_back();
        }
        // It must not shorten what a failed refresh leaves.
        drop(held.heartbeat.take());
        let at_once = place.cache.store().answers_at_once();
        let giving_back = async move {
            let event = give_back(&place, &held, leaving).await;
            move || event.into_iter().for_each(|event| place.tell(event))
        };
        if at_once {
            exec::wait(giving_back)();
            return;
        }
        // Without the I/O thread the token expires.
        let _ = exec::spawn_on_io(async move { exec::aside(giving_back.await) });
    }
}

/// Extends the token's life three times in it, at most for as long as anybody waits for a load. A
/// token that is gone takes the flight off the board: who comes now would wait for a value that it
/// may not take.
fn heartbeat(place: &Place, token: Token, lock: Lock, leader: Option<&Leader>) -> Option<Later> {
    let life = place.spec.lease.unwrap_or(Spec::LEASE);
    let detacher = leader.map(Leader::detacher);
    let (cache, key) = (place.cache.clone(), place.key.clone());
    let end = Instant::now() + place.spec.follow;
    let beating = async move {
        while Instant::now() < end {
            if let Ok(false) = cache.store().extend(&key, lock, &token, life).await {
                if let Some(detacher) = detacher {
                    detacher.detach();
                }
                return;
            }
            tokio::time::sleep(life / 3).await;
        }
    };
    exec::later(life / 3, beating).ok()
}
