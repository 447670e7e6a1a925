//! Those who wait for what the leader of a flight gets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{Next, Stamp};
use super::{Flight, Leader, Member};

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
                Next::Wait => changed.await,
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
