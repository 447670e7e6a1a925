//! The meeting point of those in this process who want one key while it is loaded: a leader who
//! loads, and followers who wait for what it gets.
//!
//! # Who may take an answer
//!
//! A follower may only take a value that was read after it began to wait, since an invalidation may
//! have come, and returned, just before it began. A flight therefore counts its sends and the start
//! of its body: a stamp, raised just before each. A follower notes the stamp when it joins. An
//! answer carries a proof: the stamp of the body's start; or of the fill's send, once the server
//! confirmed the fill, which it does only if no invalidation came in between; or of the send of the
//! read that returned the value. A follower takes an answer whose proof is later than its joining;
//! the others look again, together.
//!
//! # What survives what
//!
//! A leader that takes longer than a call waits for it loses its key to the next caller, who begins
//! another flight: a body that hangs costs its own callers, and not those who come later. So does a leader
//! that was woken and is not polled: one of its followers leads another flight, and the others follow that.
//!
//! A leader that panics, fails, or is dropped leaves its place, and a follower takes it. After the
//! first failure one goes on, and each further one doubles how many may: a source that fails
//! everybody is done with many callers in few rounds, and one that recovers is asked little. A
//! follower that is dropped leaves; the last one out takes the flight off the board.
//!
//! # Whose time it takes
//!
//! What the leader waits for at the server, its followers wait for, too, out of their own time for it.
//! One whose time is over does not run a body of its own, since the others would do the same: it
//! hurries the leader, whose body begins without an answer of the server.

mod board;
mod follower;
mod progress;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub(crate) use self::board::Board;
pub(crate) use self::follower::{Followed, Follower, Hurry};
pub(crate) use self::progress::LeaderPolls;
use self::progress::Progress;
pub(crate) use self::state::Stamp;
use self::state::{Stage, State};
use crate::key::Key;
use crate::lease::Token;

/// One key's flight.
#[derive(Debug)]
struct Flight {
    key: Key,
    state: Mutex<State>,
    changed: Notify,
    hurried: Notify,
    /// Of the leader of now.
    progress: Mutex<Arc<Progress>>,
}

impl Flight {
    /// With its leader aboard.
    fn new(key: Key) -> Self {
        Self {
            key,
            state: Mutex::new(State::led(Instant::now())),
            changed: Notify::new(),
            hurried: Notify::new(),
            progress: Mutex::default(),
        }
    }

    /// One in the place of this flight, whose leader is not polled. A token of that leader is one of the
    /// new leader: an invalidation removes it for both, and a fill of one refuses that of the other.
    fn successor(&self) -> Self {
        let successor = Self::new(self.key.clone());
        successor.state().lost = self.state().lost.clone();
        successor
    }

    fn progress(&self) -> Arc<Progress> {
        let progress = self.progress.lock();
        progress.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be called before anybody can lead anew. What the old leader does is still woken by its own.
    fn ends_leading(&self) {
        let ended = {
            let progress = self.progress.lock();
            std::mem::take(&mut *progress.unwrap_or_else(PoisonError::into_inner))
        };
        // Outside of the lock, since it may hold a waker, which is user code.
        drop(ended);
    }

    fn is_overdue(&self, longest: Duration) -> bool {
        self.state().is_overdue(longest, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, is_followed) = {
            let mut state = self.state();
            (change(&mut state), state.members > 1)
        };
        // Who boards later finds it changed.
        if is_followed {
            self.changed.notify_waiters();
        }
        changed
    }
}

/// How somebody boards.
#[derive(Debug)]
pub(crate) enum Boarded {
    Leader(Leader),
    Follower(Follower),
}

/// Somebody aboard.
#[derive(Debug)]
struct Member {
    board: Board,
    flight: Arc<Flight>,
}

impl Member {
    /// One more, in the place of this one.
    fn successor(&self) -> Self {
        self.flight.state().members += 1;
        self.board.member(&self.flight)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.flight.state().over {
            // It is off the board already.
            return;
        }
        // The board's lock is held round both, so that nobody joins in between.
        let mut flights = self.board.flights();
        let last = {
            let mut state = self.flight.state();
            state.members -= 1;
            state.members == 0
        };
        if last {
            flights.take_off(&self.flight);
        }
    }
}

/// The one who loads. Dropped before it landed, it leaves its place to a follower.
#[derive(Debug)]
pub(crate) struct Leader {
    member: Member,
    landed: bool,
}

impl Leader {
    fn new(member: Member) -> Self {
        Self {
            member,
            landed: false,
        }
    }

    /// Something is about to be sent.
    pub(crate) fn stamp(&self) -> Stamp {
        self.member.flight.state().raise()
    }

    /// The body is about to start.
    pub(crate) fn begins_body(&self) -> Stamp {
        let mut state = self.member.flight.state();
        state.turn(Stage::Loading, Instant::now);
        state.raise()
    }

    /// Another process loads, and is waited for.
    pub(crate) fn waits_elsewhere(&self) {
        let mut state = self.member.flight.state();
        state.turn(Stage::Loading, Instant::now);
    }

    /// The server is asked again.
    pub(crate) fn asks_again(&self) {
        self.turn(Stage::Asking);
    }

    /// The server is about to be told of the value, which is answered next.
    pub(crate) fn stores(&self) {
        let mut state = self.member.flight.state();
        state.turn(Stage::Ending, Instant::now);
    }

    /// There is no value, and the server is about to be told.
    pub(crate) fn gives_back(&self) {
        self.turn(Stage::Ending);
    }

    /// Who waits finds out how long he still may.
    fn turn(&self, stage: Stage) {
        let flight = &self.member.flight;
        flight.change(|state| state.turn(stage, Instant::now));
    }

    /// Tells when somebody's time is over who waits for this one's answer from the server.
    pub(crate) fn hurry(&self) -> Hurry {
        Hurry::of(&self.member)
    }

    /// There is a value, with its proof; what may still come is a later proof of it.
    pub(crate) fn answer(&self, json: &Arc<[u8]>, proof: Stamp) {
        self.member.flight.change(|state| state.answer(json, proof));
    }

    /// The load is over, with whatever was answered.
    pub(crate) fn land(mut self) {
        self.landed = true;
        let member = &self.member;
        member.board.flights().take_off(&member.flight);
        member.flight.ends_leading();
        member.flight.change(|state| {
            state.leading = false;
            state.over = true;
        });
    }

    /// What the leader does is polled by this.
    pub(crate) fn polls(&self) -> LeaderPolls {
        LeaderPolls::of(&self.member.flight)
    }

    /// Whether anybody waits for what comes of it.
    pub(crate) fn is_followed(&self) -> bool {
        self.member.flight.state().members > 1
    }

    /// The body failed.
    pub(crate) fn fail(mut self) {
        self.landed = true;
        self.member.flight.ends_leading();
        self.member.flight.change(|state| {
            state.turn(Stage::Asking, Instant::now);
            state.failed();
        });
    }

    /// A token was sent and no answer came.
    pub(crate) fn lost(&self, token: Token) {
        self.member.flight.state().lost.push(token);
    }

    /// Whether this token is one that was lost on this flight.
    pub(crate) fn is_lost(&self, token: &Token) -> bool {
        self.member.flight.state().lost.contains(token)
    }

    /// Takes the flight off the board, from elsewhere.
    pub(crate) fn detacher(&self) -> Detacher {
        Detacher {
            board: self.member.board.clone(),
            flight: Arc::downgrade(&self.member.flight),
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.landed {
            self.member.flight.ends_leading();
            self.member.flight.change(|state| {
                state.turn(Stage::Asking, Instant::now);
                state.left();
            });
        }
    }
}

/// Takes one flight off the board when its lease is found gone.
#[derive(Debug)]
pub(crate) struct Detacher {
    board: Board,
    flight: std::sync::Weak<Flight>,
}

impl Detacher {
    pub(crate) fn detach(&self) {
        let Some(flight) = self.flight.upgrade() else {
            return;
        };
        self.board.flights().take_off(&flight);
    }
}
