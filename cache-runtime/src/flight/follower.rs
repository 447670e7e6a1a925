//! Those who wait for what the leader of a flight gets.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::futures::Notified;

use super::progress::{Stalled, Watcher};
use super::state::{Next, Stamp};
use super::{Flight, Leader, Member};
use crate::exec;

/// How often a leader is looked at in the time for which it may be woken and not polled.
const LOOKS: u32 = 4;

/// See [`Leader::hurry`].
#[derive(Debug)]
pub(crate) struct Hurry(Arc<Flight>);

impl Hurry {
    pub(super) fn of(leader: &Member) -> Self {
        Self(leader.flight.clone())
    }

    pub(crate) async fn wait(&self) {
        loop {
            let hurried = self.0.hurried.notified();
            let mut hurried = std::pin::pin!(hurried);
            // Registered before the look, so that none is missed between the two.
            hurried.as_mut().enable();
            if self.0.state().hurried {
                return;
            }
            hurried.await;
        }
    }
}

/// One who waits.
#[derive(Debug)]
pub(crate) struct Follower {
    member: Member,
    joined: Stamp,
    /// The leader's turn when it was last looked at.
    turn: u32,
    /// How long the server was waited for when that was last told.
    asked: Duration,
    /// Where this one is in the task of its leader.
    watcher: Option<Watcher>,
    /// The poll after which the leader was woken, when that was last looked at, and how often it was the
    /// same.
    stalled: Option<Stalled>,
    looks: u32,
}

/// How the wait of a follower ended.
#[derive(Debug)]
pub(crate) enum Followed {
    Take(Arc<[u8]>),
    Lead(Leader),
    Alone,
    LookAgain,
    /// Not yet: who leads waits for something else now.
    Turned,
}

impl Follower {
    pub(super) fn board(member: Member) -> Self {
        let now = Instant::now();
        let (joined, turn, asked) = {
            let mut state = member.flight.state();
            state.members += 1;
            (state.stamp, state.turns, state.asked(now))
        };
        Self {
            member,
            joined,
            turn,
            asked,
            watcher: None,
            stalled: None,
            looks: 0,
        }
    }

    /// Waits for what comes; the caller bounds how long.
    pub(crate) async fn wait(&mut self) -> Followed {
        let flight = self.member.flight.clone();
        loop {
            let changed = flight.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Registered before the look, so that no change is missed between the two.
            changed.as_mut().enable();
            let (next, turn) = {
                let mut state = flight.state();
                (state.next(self.joined), state.turns)
            };
            match next {
                Next::Wait if turn != self.turn => return Followed::Turned,
                Next::Wait => {
                    if self.waits_in_vain(changed).await {
                        return self.supersede();
                    }
                }
                Next::Take(json) => return Followed::Take(json),
                Next::Lead => {
                    flight.state().is_led_anew(Instant::now());
                    return Followed::Lead(Leader::new(self.member.successor()));
                }
                Next::Alone => return Followed::Alone,
                Next::LookAgain => return Followed::LookAgain,
            }
        }
    }

    /// Waits until the flight has changed, or returns true if the task of this follower does not poll the leader.
    async fn waits_in_vain(&mut self, changed: Pin<&mut Notified<'_>>) -> bool {
        let flight = &self.member.flight;
        let progress = flight.progress();
        let is_of = |watcher: &Watcher| Arc::ptr_eq(watcher.progress(), &progress);
        if !self.watcher.as_ref().is_some_and(is_of) {
            self.watcher = Watcher::of(flight);
        }
        let Some(watcher) = &self.watcher else {
            changed.await;
            return false;
        };
        let woken = watcher.progress().woken.notified();
        let mut woken = std::pin::pin!(woken);
        woken.as_mut().enable();
        if watcher.is_passed_over().await {
            return true;
        }
        exec::until(woken, changed).await;
        false
    }

    /// To be called each time that another [`look_time`](Self::look_time) is over. Returns whether the leader was
    /// woken and not polled for the whole of [`LOOKS`] of them. A process that does not run counts none.
    pub(crate) fn has_stalled(&mut self) -> bool {
        let stalled = self.member.flight.progress().stalled();
        match stalled.is_some() && stalled == self.stalled {
            true => self.looks += 1,
            false => self.looks = 0,
        }
        self.stalled = stalled;
        self.looks >= LOOKS
    }

    /// The time between two looks at the leader, for a call that waits for at most `longest`.
    pub(crate) fn look_time(longest: Duration) -> Duration {
        (longest / 10 / LOOKS).max(Duration::from_millis(1))
    }

    /// Leads another flight in the place of this one, unless another follower does.
    pub(crate) fn supersede(&self) -> Followed {
        match self.member.board.supersede(&self.member.flight) {
            Some(leader) => Followed::Lead(leader),
            None => Followed::LookAgain,
        }
    }

    /// What is waited for now, until it turns: whether it is the server.
    pub(crate) fn looks(&mut self) -> bool {
        let state = self.member.flight.state();
        self.turn = state.turns;
        state.stage.is_of_server()
    }

    /// For how long it was, since this was last asked.
    pub(crate) fn asked(&mut self) -> Duration {
        let now = Instant::now();
        let asked = self.member.flight.state().asked(now);
        asked.saturating_sub(std::mem::replace(&mut self.asked, asked))
    }

    /// The time of this one is over.
    pub(crate) fn hurry(&self) {
        let member = &self.member;
        let over = member.flight.change(|state| {
            state.hurry();
            state.over
        });
        if over {
            member.board.flights().take_off(&member.flight);
        }
        member.flight.hurried.notify_waiters();
    }
}
