//! The story of one call, and the only file that knows its order.
//!
//! ```text
//! near          a copy of the value in this process: return it
//! which cache   the one entered, the function's own, the installed one, or none: run the body
//! asked for     a companion or `invalidate(call)` may have asked for something else
//! own body      a body that calls itself with the same key runs through
//! can it wait   not in a fork, nor in a thread that is ending: run the body
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

mod asking;
mod elsewhere;
mod follow;
mod found;
mod lead;
mod near;
mod refresh;

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use self::found::Found;
use self::near::Watching;
pub(crate) use self::near::near;
use crate::address::{self, Flow, Report, Request, Seen};
use crate::current::Current;
use crate::error::{Error, ErrorKind};
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Boarded, Followed, Hurry};
use crate::lease::Token;
use crate::load::{Claim, Load};
use crate::place::Place;
use crate::request::Call;
use crate::store::{Found as Stored, Left, Reading, Waited};

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
        let next = match begin(call, Flow::Async) {
            ControlFlow::Break(next) => next,
            ControlFlow::Continue(mut search) => {
                let read = search.read().await;
                search.after(read)
            }
        };
        match next {
            Next::Looked(looked) => looked,
            Next::Wait(looking) => looking.await,
        }
    }
}

/// The same by blocking this thread. A hit makes no future of the whole, which would be moved about
/// more often than anything is waited for.
pub(crate) fn look_sync(call: Call) -> Looked {
    let next = match begin(call, Flow::Sync) {
        ControlFlow::Break(next) => next,
        ControlFlow::Continue(mut search) => {
            let read = match exec::waiting(|| search.read()) {
                Reading::Now(Some(read)) => read,
                reading => exec::wait(reading),
            };
            search.after(read)
        }
    };
    match next {
        Next::Looked(looked) => looked,
        Next::Wait(looking) => exec::wait(looking),
    }
}

/// How a call goes on that does not only read what is stored.
enum Next {
    Looked(Looked),
    Wait(Pin<Box<dyn Future<Output = Looked> + Send>>),
}

/// What needs no waiting: no future is made for it, since a call must cost next to nothing while
/// the server is away. Goes on with the read of what is stored.
fn begin(mut call: Call, flow: Flow) -> ControlFlow<Next, Box<Search>> {
    let spec = call.spec();
    let request = call.asked(flow).take();
    let instance = call.instance();
    let (cache, key) = call.resolve();
    if let Some(Request::Address(report)) = request {
        report.add(spec, cache, key);
        address::addressed(flow, report);
        return looked(Looked::Addressed);
    }
    let report = match &request {
        Some(Request::Observe(report)) => Some(report.clone()),
        _ => None,
    };
    let uncached = matches!(request, Some(Request::Uncached));
    let can_wait = |cache: &Current| cache.is_in_memory() || cache.can_wait();
    let Some(cache) = cache.filter(|cache| !uncached && can_wait(cache)) else {
        return looked(past(None, report));
    };
    let place = Place::new(cache, key, instance);
    if instance.is_ambiguous() || !place.is_usable() || place.is_loading() {
        return looked(past(Some(place), report));
    }
    if matches!(request, Some(Request::Refresh)) {
        return ControlFlow::Break(Next::Wait(Box::pin(refresh::asked(place))));
    }
    let search = Box::new(Search::new(place, report));
    let board = search.place.cache.board();
    if search.place.cache.store().is_away()
        && let Boarded::Leader(leader) = board.board(&search.place.key, spec.follow)
    {
        return looked(search.load(leader, Claim::None));
    }
    if board.has(&search.place.key, spec.follow) {
        return ControlFlow::Break(Next::Wait(Box::pin(search.run())));
    }
    ControlFlow::Continue(search)
}

fn looked(looked: Looked) -> ControlFlow<Next, Box<Search>> {
    ControlFlow::Break(Next::Looked(looked))
}

fn past(place: Option<Place>, report: Option<Report<Seen>>) -> Looked {
    if let Some(report) = report {
        report.set(Seen::Bypassed);
    }
    Looked::Load(Box::new(Load::past(place.map(Arc::new))))
}

/// The looking of one call, until it has a value or runs the body. Boxed: it goes from hand to hand,
/// and to move it each time takes longer than to make room for it once.
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
    /// How long its read took.
    waited: Waited,
    /// How long the call may still wait for the server.
    left: Duration,
    /// Of those who wait for what this one asks.
    hurry: Option<Hurry>,
    /// A flight ended with nothing that this call may take.
    again: bool,
    /// From before the read on, where a copy may be kept of what it finds.
    watching: Option<Box<Watching>>,
}

impl Search {
    fn new(place: Place, report: Option<Report<Seen>>) -> Self {
        Self {
            left: place.cache.response_timeout(),
            place,
            report,
            unusable: None,
            rounds: 0,
            outage: false,
            missed: false,
            waited: Waited::Never,
            hurry: None,
            again: false,
            watching: None,
        }
    }

    /// Nothing usable was found stored: waits for who loads it, or loads it.
    pub(crate) async fn run(mut self: Box<Self>) -> Looked {
        // Two programs that cannot read each other's values would go on replacing them.
        const MOST_ROUNDS: u32 = 3;
        if !self.place.cache.can_wait() {
            return past(None, self.report);
        }
        self.watching = None;
        self.place.begins();
        self.has_read();
        self.miss();
        while self.rounds < MOST_ROUNDS && !self.patience().is_zero() {
            let board = self.place.cache.board();
            let follower = match board.board(&self.place.key, self.place.spec.follow) {
                Boarded::Leader(leader) => return self.lead(leader).await,
                Boarded::Follower(follower) => follower,
            };
            match self.follow(follower).await {
                Some(Followed::Take(json)) => {
                    return Looked::Found(self.found(json.to_vec(), EventKind::Joined, None));
                }
                Some(Followed::Lead(leader)) => return self.lead(leader).await,
                Some(Followed::LookAgain) => self.again = true,
                Some(Followed::Turned | Followed::Alone) | None => break,
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
        self.read_with(self.place.spec.stale.is_some())
    }

    /// With the time that is left of what is stored, or without.
    fn read_with(&mut self, left: bool) -> Reading<'_> {
        self.watching = Watching::begin(&self.place);
        let Place { cache, key, .. } = &self.place;
        let size = self.place.counters().sizes.expected();
        match self.watching {
            Some(_) => cache.store().get_watched(key, size),
            None => cache.store().get(key, left, size),
        }
    }

    /// How a call goes on after the read.
    fn after(mut self: Box<Self>, read: Result<Stored, Error>) -> Next {
        match self.stored(read) {
            None => Next::Wait(Box::pin(self.run())),
            Some((json, left)) if self.is_fresh(left) => {
                Next::Looked(Looked::Found(self.found(json, EventKind::Hit, None)))
            }
            Some((json, _)) => Next::Wait(Box::pin(self.stale(json))),
        }
    }

    /// The stored value, if there is one.
    fn stored(&mut self, read: Result<Stored, Error>) -> Option<(Vec<u8>, Left)> {
        let stored = match read {
            Ok(stored) => stored,
            // The lease is asked for, and finds a value that is stored. A large one would keep all others
            // of that connection waiting.
            Err(error) if error.is_unsent() && !self.expects_large() => return None,
            Err(error) => {
                if error.kind() == ErrorKind::Timeout {
                    self.left = Duration::ZERO;
                }
                self.place.cache.store().failed(&error);
                self.outage = true;
                return None;
            }
        };
        self.waited = stored.waited;
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

    fn expects_large(&self) -> bool {
        self.place.counters().sizes.expected().is_large()
    }

    fn is_fresh(&self, left: Left) -> bool {
        match (self.place.spec.stale, left) {
            (Some(stale), Left::For(left)) => left > stale,
            _ => true,
        }
    }

    fn found(self: Box<Self>, json: Vec<u8>, how: EventKind, refresh: Option<Box<Load>>) -> Found {
        Found {
            json,
            how,
            refresh,
            search: self,
        }
    }

    async fn stale(mut self: Box<Self>, json: Vec<u8>) -> Looked {
        self.place.begins();
        self.has_read();
        let refresh = refresh::of_stale(&mut self).await;
        Looked::Found(self.found(json, EventKind::Stale, refresh))
    }
}

#[cfg(test)]
mod tests;
