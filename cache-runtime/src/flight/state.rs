//! What a flight decides: who takes which answer, who leads next, and how long the server was waited
//! for. Without locks or waiting; the time is passed in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lease::Token;

/// Counts sends and body starts of one flight.
pub(crate) type Stamp = u32;

/// Where a flight is.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stamp: Stamp,
    pub(super) leading: bool,
    /// When the leader of now began.
    led_since: Option<Instant>,
    answer: Option<Answer>,
    failures: u32,
    /// How many followers may go on by themselves.
    openings: u32,
    /// Nothing more comes of this flight.
    pub(super) over: bool,
    pub(super) members: usize,
    pub(super) stage: Stage,
    /// How often the leader, or who leads, turned to something else.
    pub(super) turns: u32,
    /// The body is to begin, whatever the server has yet to say.
    pub(super) hurried: bool,
    /// How long the server was waited for in earlier stages, from when on somebody counted.
    asked: Duration,
    /// Since when it is now, if somebody counts.
    asked_since: Option<Instant>,
    /// Tokens whose commands were sent and never answered. If one of them turns up as the holder,
    /// it is ours.
    pub(super) lost: Vec<Token>,
}

/// What the leader waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// For the server, before the body.
    #[default]
    Asking,
    /// For the body, or for that of another process.
    Loading,
    /// For the server, which is told what came of it.
    Ending,
}

impl Stage {
    pub(super) fn is_of_server(self) -> bool {
        self != Self::Loading
    }
}

#[derive(Clone, Debug)]
struct Answer {
    json: Arc<[u8]>,
    proof: Stamp,
}

/// What a follower does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wait,
    /// This is the answer.
    Take(Arc<[u8]>),
    /// The place of the leader is taken now.
    Lead,
    /// Load without the others: the place of the leader is taken, and enough have failed.
    Alone,
    /// The flight ended with nothing that this follower may take.
    LookAgain,
}

impl State {
    /// The state of a flight that begins now, with its leader aboard.
    pub(super) fn led(now: Instant) -> Self {
        Self {
            leading: true,
            led_since: Some(now),
            members: 1,
            ..Self::default()
        }
    }

    /// Another leader begins now.
    pub(super) fn is_led_anew(&mut self, now: Instant) {
        self.led_since = Some(now);
    }

    /// Returns whether the leader has taken longer than anybody waits for it.
    pub(super) fn is_overdue(&self, longest: Duration, now: Instant) -> bool {
        let age = self
            .led_since
            .map(|since| now.saturating_duration_since(since));
        self.leading && age.is_some_and(|age| age >= longest)
    }

    pub(super) fn next(&mut self, joined: Stamp) -> Next {
        if let Some(answer) = self.answer.as_ref().filter(|answer| joined < answer.proof) {
            return Next::Take(answer.json.clone());
        }
        if self.over {
            return Next::LookAgain;
        }
        if self.openings == 0 {
            return Next::Wait;
        }
        self.openings -= 1;
        if self.leading {
            return Next::Alone;
        }
        self.leading = true;
        Next::Lead
    }

    pub(super) fn raise(&mut self) -> Stamp {
        self.stamp += 1;
        self.stamp
    }

    /// A later proof of the same answer replaces an earlier one; an earlier answer never a later.
    pub(super) fn answer(&mut self, json: &Arc<[u8]>, proof: Stamp) {
        if self
            .answer
            .as_ref()
            .is_none_or(|answer| answer.proof < proof)
        {
            let json = json.clone();
            self.answer = Some(Answer { json, proof });
        }
    }

    /// The leader, or the next one, is at something else from now on.
    pub(super) fn turn(&mut self, stage: Stage, now: impl Fn() -> Instant) {
        if let Some(since) = self.asked_since.take() {
            self.asked += now().saturating_duration_since(since);
        }
        self.asked_since = (stage.is_of_server() && self.members > 1).then(now);
        self.stage = stage;
        self.hurried = false;
        self.turns += 1;
    }

    /// How long the server was waited for since anybody first asked this.
    pub(super) fn asked(&mut self, now: Instant) -> Duration {
        if !self.stage.is_of_server() {
            return self.asked;
        }
        let since = *self.asked_since.get_or_insert(now);
        self.asked + now.saturating_duration_since(since)
    }

    /// The time of a follower is over. The body begins now; after it, nothing more is waited for, and
    /// who cannot take what it returned looks again.
    pub(super) fn hurry(&mut self) {
        match self.stage {
            Stage::Asking => self.hurried = true,
            Stage::Loading => {}
            Stage::Ending => self.over = true,
        }
    }

    pub(super) fn failed(&mut self) {
        self.leading = false;
        self.openings = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures += 1;
    }

    pub(super) fn left(&mut self) {
        self.leading = false;
        self.openings = self.openings.max(1);
    }
}

#[cfg(test)]
mod tests;
