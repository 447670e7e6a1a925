//! What a flight decides: who takes which answer, and who leads next. Without time, locks or waiting.

use std::sync::Arc;

use crate::lease::Token;

/// Counts sends and body starts of one flight.
pub(crate) type Stamp = u32;

/// Where a flight is.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stamp: Stamp,
    pub(super) leading: bool,
    answer: Option<Answer>,
    failures: u32,
    /// How many followers may go on by themselves.
    openings: u32,
    /// Nothing more comes of this flight.
    pub(super) over: bool,
    pub(super) members: usize,
    /// Tokens whose commands were sent and never answered. If one of them turns up as the holder,
    /// it is ours.
    pub(super) lost: Vec<Token>,
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
