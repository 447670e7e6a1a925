//! The story of one call, and the only file that knows its order.
//!
//! ```text
//! near          a copy of the value in this process: return it
//! which cache   the one entered, the function's own, the installed one, or none: run the body
//! asked for     a companion or `invalidate(call)` may have asked for something else
//! own body      a body that calls itself with the same key runs through
//! breaker       the server is known to be away: lead a flight and run the body, at once
//! flight        somebody in this process loads this key: wait for what it gets
//! store.get     a usable value: return it; a stale one: return it and refresh behind
//! flight        nobody loads it yet: be the one
//! store.lease   the value came meanwhile: return it; another process loads: wait for it, once
//! body          the user's code, in the caller's own runtime; a heartbeat extends the lease
//! store.fill    if the lease is still held; an invalidation has removed it
//! ```
//!
//! The story works on bytes and knows nothing of types; [`lookup`](crate::lookup) and
//! [`slot`](crate::slot) do.

mod elsewhere;
mod found;
mod near;
mod refresh;
mod unanswered;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use self::elsewhere::Elsewhere;
use self::found::Found;
use self::near::Watching;
pub(crate) use self::near::near;
use self::unanswered::Unanswered;
use crate::address::{self, Report, Request, Seen};
use crate::body;
use crate::error::{Error, ErrorKind};
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Boarded, Followed, Follower, Leader, Stamp};
use crate::lease::Token;
use crate::load::{Claim, Load, Why};
use crate::place::Place;
use crate::request::Call;
use crate::store::{Found as Stored, Leased, Left, Lock, Reading};

/// What the story came to.
#[derive(Debug)]
#[expect(private_interfaces, reason = "expansions hand it on unseen")]
pub enum Looked {
    Found(Found),
    /// The body is to run.
    Load(Box<Load>),
    /// The call was only asked for its address.
    Addressed,
}

/// What one call comes to. A hit ends here, in the caller's own future; what it takes to load is
/// boxed, so that it is not in the future of each hit.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds each of its arguments twice"
)]
pub(crate) fn look(call: Call) -> impl Future<Output = Looked> + Send {
    async move {
        let mut search = match begin(call) {
            Begun::Looked(looked) => return looked,
            Begun::Search(search) => search,
        };
        if search.is_refresh {
            return Box::pin(refresh::asked(search.place)).await;
        }
        if search.place.cache.board().has(&search.place.key) {
            return Box::pin(search.run()).await;
        }
        let read = search.read().await;
        match search.stored(read) {
            None => Box::pin(search.run()).await,
            Some((json, left)) if search.is_fresh(left) => {
                Looked::Found(search.found(json, EventKind::Hit, None))
            }
            Some((json, _)) => Box::pin(search.stale(json)).await,
        }
    }
}

/// How a call goes on after what needs no waiting.
enum Begun {
    Looked(Looked),
    /// Somebody is to be asked or waited for.
    Search(Search),
}

/// What needs no waiting: no future is made for it, since a call must cost next to nothing while
/// the server is away.
fn begin(call: Call) -> Begun {
    let spec = call.spec();
    let request = address::take(spec);
    call.claim_name();
    let (cache, key) = call.resolve();
    if let Some(Request::Address(report)) = request {
        report.set((spec, cache, key));
        return Begun::Looked(Looked::Addressed);
    }
    let report = match &request {
        Some(Request::Observe(report)) => Some(report.clone()),
        _ => None,
    };
    let uncached = matches!(request, Some(Request::Uncached));
    let Some(cache) = cache.filter(|_| !uncached) else {
        return Begun::Looked(past(None, report));
    };
    let place = Place::new(cache, key, spec);
    if !place.is_usable() || body::is_loading(&place) {
        return Begun::Looked(past(Some(place), report));
    }
    let mut search = Search::new(place, report);
    search.is_refresh = matches!(request, Some(Request::Refresh));
    if !search.is_refresh
        && search.place.cache.store().is_away()
        && let Boarded::Leader(leader) = search.place.cache.board().board(&search.place.key)
    {
        return Begun::Looked(search.load(leader, Claim::None));
    }
    Begun::Search(search)
}

fn past(place: Option<Place>, report: Option<Report<Seen>>) -> Looked {
    if let Some(report) = report {
        report.set(Seen::Bypassed);
    }
    Looked::Load(Box::new(Load::past(place.map(Arc::new))))
}

/// The looking of one call, until it has a value or runs the body.
#[derive(Debug)]
pub(crate) struct Search {
    place: Place,
    report: Option<Report<Seen>>,
    /// Stored bytes that turned out to be unusable, and are to be replaced.
    unusable: Option<Vec<u8>>,
    /// How often what was found was unusable.
    rounds: u32,
    /// The server could not be asked.
    outage: bool,
    missed: bool,
    /// It is to be loaded whatever is stored.
    is_refresh: bool,
    /// A flight ended with nothing that this call may take.
    again: bool,
    /// From before the read on, where a copy may be kept of what it finds.
    watching: Option<Box<Watching>>,
}

impl Search {
    fn new(place: Place, report: Option<Report<Seen>>) -> Self {
        Self {
            place,
            report,
            unusable: None,
            rounds: 0,
            outage: false,
            missed: false,
            is_refresh: false,
            again: false,
            watching: None,
        }
    }

    /// Nothing usable was found stored: waits for who loads it, or loads it.
    pub(crate) async fn run(mut self) -> Looked {
        // Two programs that cannot read each other's values would go on replacing them.
        const MOST_ROUNDS: u32 = 3;
        self.watching = None;
        self.place.begins();
        self.miss();
        while self.rounds < MOST_ROUNDS && !self.patience().is_zero() {
            let follower = match self.place.cache.board().board(&self.place.key) {
                Boarded::Leader(leader) => return self.lead(leader).await,
                Boarded::Follower(follower) => follower,
            };
            match self.follow(follower).await {
                Some(Followed::Take(json)) => {
                    return Looked::Found(self.found(json.to_vec(), EventKind::Joined, None));
                }
                Some(Followed::Lead(leader)) => return self.lead(leader).await,
                Some(Followed::LookAgain) => self.again = true,
                Some(Followed::Alone) | None => break,
            }
        }
        past(Some(self.place), self.report)
    }

    /// How long this call may still wait for others.
    fn patience(&self) -> Duration {
        self.place.spec.follow.saturating_sub(self.place.elapsed())
    }

    fn see(&self, seen: Seen) {
        if let Some(report) = &self.report {
            report.set(seen);
        }
    }

    fn miss(&mut self) {
        if !std::mem::replace(&mut self.missed, true) {
            self.place.tell(EventKind::Miss);
        }
    }

    fn read(&mut self) -> Reading<'_> {
        self.watching = Watching::begin(&self.place);
        let Place {
            cache, key, spec, ..
        } = &self.place;
        let size = self.place.counters().sizes.expected();
        match self.watching {
            Some(_) => cache.store().get_watched(key, size),
            None => cache.store().get(key, spec.stale.is_some(), size),
        }
    }

    /// The stored value, if there is one.
    fn stored(&mut self, read: Result<Stored, Error>) -> Option<(Vec<u8>, Left)> {
        let stored = match read {
            Ok(stored) => stored,
            Err(error) => {
                self.place.cache.store().failed(&error);
                self.outage = true;
                return None;
            }
        };
        let sizes = &self.place.counters().sizes;
        let Some(json) = stored.json.filter(|json| Token::read(json).is_none()) else {
            sizes.saw_none();
            return None;
        };
        sizes.saw(json.len());
        let watching = self.watching.take().filter(|_| stored.watched);
        self.watching = watching.map(|watching| watching.found(stored.left));
        Some((json, stored.left))
    }

    async fn follow(&mut self, follower: Follower) -> Option<Followed> {
        self.place.tell(EventKind::Waited);
        exec::within(self.patience(), follower.wait()).await
    }

    fn is_fresh(&self, left: Left) -> bool {
        match (self.place.spec.stale, left) {
            (Some(stale), Left::For(left)) => left > stale,
            _ => true,
        }
    }

    fn found(self, json: Vec<u8>, how: EventKind, refresh: Option<Box<Load>>) -> Found {
        Found {
            json,
            how,
            refresh,
            search: self,
        }
    }

    async fn stale(mut self, json: Vec<u8>) -> Looked {
        self.place.begins();
        let refresh = refresh::of_stale(&self.place).await;
        Looked::Found(self.found(json, EventKind::Stale, refresh))
    }

    /// Loads, for everybody in this process.
    async fn lead(mut self, leader: Leader) -> Looked {
        if self.again {
            // The others who look again are on their way, and only who joins before the body
            // begins may take what it returns: without this they would load one after the other.
            const GATHERING: Duration = Duration::from_millis(1);
            exec::sleep(GATHERING).await;
        }
        let Some(life) = self.place.spec.lease else {
            return self.unfenced(leader).await;
        };
        let store = self.place.cache.store();
        let mut waited = false;
        let mut lost: Option<Unanswered> = None;
        while !self.outage {
            // Until the answer is there it is not known to be ours. It is if it turns up.
            let token = Token::fresh();
            leader.lost(token);
            let sent = leader.stamp();
            let unanswered = Unanswered::new(&self.place, token);
            if let Some(unusable) = self.unusable.take() {
                let displacing = store.displace(&self.place.key, &unusable, &token, life);
                let displaced = displacing.await;
                drop(unanswered.after(&displaced));
                match displaced {
                    Ok(true) => return self.hold(leader, token),
                    Ok(false) => continue,
                    Err(_) => break,
                }
            }
            let leased = store.lease(&self.place.key, &token, life).await;
            let unanswered = unanswered.after(&leased);
            if leased.is_ok()
                && let Some(lost) = lost.take()
            {
                lost.superseded();
            }
            match leased {
                Ok(Leased::Ours) => return self.hold(leader, token),
                Ok(Leased::Held(ours)) if leader.is_lost(&ours) => {
                    self.place.cache.lost().take(&ours);
                    return self.hold(leader, ours);
                }
                // Nobody loads under it any more, so it is not waited for.
                Ok(Leased::Held(dead)) if self.place.cache.lost().take(&dead) => {
                    let released = store.release(&self.place.key, Lock::Lease, &dead).await;
                    if released.is_err() {
                        self.place.cache.lost().add(dead);
                        break;
                    }
                }
                Ok(Leased::Unfenced) => return self.unfenced(leader).await,
                Ok(Leased::Value(json)) => return self.arrived(leader, json, sent),
                Ok(Leased::Foreign) => {
                    if store.remove(&self.place.key).await.is_err() {
                        break;
                    }
                }
                // It came and went without a value and came again: at most one foreign load is
                // ever waited for, or the n-th process would wait n bodies.
                Ok(Leased::Held(_)) if waited => break,
                Ok(Leased::Held(holder)) => {
                    waited = true;
                    match self.elsewhere(&leader, &holder).await {
                        Elsewhere::Value(json, sent) => {
                            return self.arrived(leader, json, sent);
                        }
                        Elsewhere::GivenBack => {}
                        // That was no load: whoever leads next is waited for like the first.
                        Elsewhere::Expired => waited = false,
                        Elsewhere::InVain => break,
                    }
                }
                // The connection may have broken while it was idle: asked again on a new one, with
                // a new token, while the old one is ours if it turns up.
                Err(error) if error.kind() == ErrorKind::Unavailable && lost.is_none() => {
                    lost = unanswered;
                }
                // Only a lease whose answer came before the body begins may fill.
                Err(_) => break,
            }
        }
        self.load(leader, Claim::None)
    }

    /// Loads without a lease. Those who look again look at what is stored by now: nothing else
    /// would tell them.
    async fn unfenced(mut self, leader: Leader) -> Looked {
        if std::mem::take(&mut self.again) {
            let sent = leader.stamp();
            let read = self.read().await;
            if let Some((json, _)) = self.stored(read) {
                return self.arrived(leader, json, sent);
            }
        }
        self.load(leader, Claim::Unfenced)
    }

    fn hold(self, leader: Leader, token: Token) -> Looked {
        let claim = Load::hold(&self.place, token, Lock::Lease, Why::Load, Some(&leader));
        self.load(leader, claim)
    }

    fn load(self, leader: Leader, claim: Claim) -> Looked {
        self.see(match claim {
            Claim::None => Seen::Bypassed,
            _ => Seen::Loaded,
        });
        let load = Load::of(Arc::new(self.place), claim, Some(leader));
        Looked::Load(Box::new(load))
    }

    fn arrived(self, leader: Leader, json: Vec<u8>, sent: Stamp) -> Looked {
        leader.answer(&json.as_slice().into(), sent);
        leader.land();
        Looked::Found(self.found(json, EventKind::Joined, None))
    }
}

#[cfg(test)]
mod tests;
