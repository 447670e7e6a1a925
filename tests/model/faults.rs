//! What may go wrong, at any moment, but only so often.

use crate::call::Turn;
use crate::process::{At, Caller, State};
use crate::redis::Stored;
use crate::world::World;

/// How often each fault may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The value grows stale: no fault, but bounded like one.
    pub ages: u8,
    pub key_vanishes: u8,
    pub refresh_key_vanishes: u8,
    pub replies_lost: u8,
    pub bodies_fail: u8,
    pub processes_die: u8,
    pub waits_end: u8,
    pub failovers: u8,
}

impl Faults {
    /// How many of those that may leave a lease without a holder.
    pub fn orphaning(&self) -> u8 {
        self.replies_lost + self.processes_die + self.waits_end + self.failovers
    }
}

pub const NONE: Faults = Faults {
    ages: 0,
    key_vanishes: 0,
    refresh_key_vanishes: 0,
    replies_lost: 0,
    bodies_fail: 0,
    processes_die: 0,
    waits_end: 0,
    failovers: 0,
};

pub const AGES: Faults = Faults { ages: 1, ..NONE };

pub const VANISHES: Faults = Faults {
    key_vanishes: 1,
    ..NONE
};

pub const BOTH_VANISH: Faults = Faults {
    refresh_key_vanishes: 1,
    ..VANISHES
};

pub const ONE_LOST: Faults = Faults {
    replies_lost: 1,
    ..NONE
};

pub const ONE_DIES: Faults = Faults {
    processes_die: 1,
    ..NONE
};

/// But for the rarer ones, which have scenarios of their own.
pub const EVERY_KIND: Faults = Faults {
    ages: 1,
    replies_lost: 1,
    bodies_fail: 1,
    ..BOTH_VANISH
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No reply came to this caller in time.
    LoseReply(usize),
    FailBody(usize),
    EndWait(usize),
    /// What its sender gave up on arrives.
    Arrive(usize),
    Age,
    KeyVanishes,
    RefreshKeyVanishes,
    /// The replica learns of everything so far, as it may do at any time.
    Replicate,
    /// The replica takes the server's place.
    Failover,
    Die(usize),
}

impl World {
    pub fn possible_faults(&self, state: &State) -> Vec<Fault> {
        let mut possible = vec![];
        for who in 0..state.callers.len() {
            possible.extend(fault_of_caller(state, who));
        }
        possible.extend((0..state.late.len()).map(Fault::Arrive));
        possible.extend(faults_of_server(state));
        if state.faults.processes_die > 0 {
            possible.extend((0..state.board.len()).map(Fault::Die));
        }
        possible
    }

    pub fn befall(&self, state: &mut State, fault: Fault) {
        // These take away what others rely on, or make it possible that it is not there.
        state.disturbed |= !matches!(fault, Fault::FailBody(_) | Fault::Age | Fault::Replicate);
        match fault {
            Fault::LoseReply(who) => self.lose_reply(state, who),
            Fault::FailBody(who) => self.fail_body(state, who),
            Fault::EndWait(who) => {
                state.faults.waits_end -= 1;
                self.turn(state, who).stop_waiting();
            }
            Fault::Arrive(nth) => arrive(state, nth),
            Fault::Age => {
                state.faults.ages -= 1;
                if let Stored::Value { stale, .. } = &mut state.redis.key {
                    *stale = true;
                }
            }
            Fault::KeyVanishes => {
                state.faults.key_vanishes -= 1;
                state.redis.key = Stored::Nothing;
            }
            Fault::RefreshKeyVanishes => {
                state.faults.refresh_key_vanishes -= 1;
                state.redis.refresh = None;
            }
            Fault::Replicate => state.replica = Some((state.redis.key, state.redis.refresh)),
            Fault::Failover => {
                state.faults.failovers -= 1;
                if let Some((key, refresh)) = state.replica {
                    (state.redis.key, state.redis.refresh) = (key, refresh);
                }
            }
            Fault::Die(process) => self.die(state, process),
        }
    }

    fn turn<'a>(&'a self, state: &'a mut State, who: usize) -> Turn<'a> {
        Turn {
            world: self,
            state,
            who,
        }
    }

    fn lose_reply(&self, state: &mut State, who: usize) {
        let At::Sent(step) = state.callers[who].at else {
            unreachable!("nothing was sent")
        };
        state.faults.replies_lost -= 1;
        state.abandon(who);
        self.turn(state, who).lost(step);
    }

    fn fail_body(&self, state: &mut State, who: usize) {
        let At::Body(load) = state.callers[who].at else {
            unreachable!("no body runs")
        };
        state.faults.bodies_fail -= 1;
        self.turn(state, who).fail(load);
    }

    fn die(&self, state: &mut State, process: usize) {
        state.faults.processes_die -= 1;
        state.board[process] = None;
        for who in (0..self.callers.len()).filter(|who| self.process(*who) == process) {
            state.abandon(who);
            let caller = &mut state.callers[who];
            *caller = Caller::new(At::Dead, caller.op, 0);
        }
    }
}

fn fault_of_caller(state: &State, who: usize) -> Option<Fault> {
    let faults = &state.faults;
    match state.callers[who].at {
        At::Sent(_) if faults.replies_lost > 0 => Some(Fault::LoseReply(who)),
        At::Body(_) if faults.bodies_fail > 0 => Some(Fault::FailBody(who)),
        At::Follow(_) | At::Await(_) if faults.waits_end > 0 => Some(Fault::EndWait(who)),
        _ => None,
    }
}

fn faults_of_server(state: &State) -> impl Iterator<Item = Fault> {
    let State { faults, redis, .. } = state;
    let fresh = matches!(redis.key, Stored::Value { stale: false, .. });
    let key = redis.key != Stored::Nothing;
    let refresh = redis.refresh.is_some();
    let behind = state.replica != Some((redis.key, redis.refresh));
    let possible = [
        (faults.ages > 0 && fresh, Fault::Age),
        (faults.key_vanishes > 0 && key, Fault::KeyVanishes),
        (
            faults.refresh_key_vanishes > 0 && refresh,
            Fault::RefreshKeyVanishes,
        ),
        (faults.failovers > 0 && behind, Fault::Replicate),
        (faults.failovers > 0 && behind, Fault::Failover),
    ];
    possible
        .into_iter()
        .filter(|(may, _)| *may)
        .map(|(_, fault)| fault)
}

fn arrive(state: &mut State, nth: usize) {
    let command = state.late[nth].take_first().expect("none is kept empty");
    state.run(command);
    state.late.retain(|pipeline| !pipeline.is_empty());
    state.late.sort();
}
