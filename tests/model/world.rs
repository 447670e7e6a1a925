//! A small world, and everything that may happen in it next.
//!
//! Each caller has at most one step of its own; every order of these is tried, with each fault at
//! each point as often as the world allows. There is no time: whatever may expire or be late does
//! so at any moment.

use stateright::{Model, Property};

use crate::call::Turn;
use crate::faults::{Fault, Faults, NONE};
use crate::process::{At, Caller, Op, State};
use crate::redis::{Command, Redis, Reply, Stored};
use crate::rules::{Rules, Waiters};

/// After an `invalidate` returned OK, no call that begins later is handed an older value.
pub const S1: &str = "S1 no stale read after an invalidation";
/// As long as nothing is taken away, one load runs at a time.
pub const S2: &str = "S2 one load at a time";
/// Every call ends, once nothing goes wrong any more; and each holder that died, or does not know
/// that it holds, costs the others one lease at most (S3).
pub const L1: &str = "L1 every call ends";

#[derive(Clone, Debug)]
pub struct World {
    pub rules: Rules,
    /// The process of each caller, and what it does.
    pub callers: Vec<(usize, Vec<Op>)>,
    pub faults: Faults,
    pub stored: Stored,
    /// The function hands out stale values, and refreshes behind.
    pub stale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The step that is the caller's own, or the server's for it.
    Go(usize),
    Fault(Fault),
}

impl World {
    /// A key of a function without `stale`, and nothing goes wrong.
    pub fn new(rules: Rules, stored: Stored) -> Self {
        Self {
            rules,
            callers: vec![],
            faults: NONE,
            stored,
            stale: false,
        }
    }

    pub fn caller(mut self, process: usize, ops: &[Op]) -> Self {
        self.callers.push((process, ops.to_vec()));
        self
    }

    pub fn stale(mut self) -> Self {
        self.stale = true;
        self
    }

    pub fn with(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    pub fn op(&self, who: usize, nth: usize) -> Op {
        self.callers[who].1[nth]
    }

    pub fn ops(&self, who: usize) -> usize {
        self.callers[who].1.len()
    }

    pub fn process(&self, who: usize) -> usize {
        self.callers[who].0
    }

    pub fn refreshes(&self) -> bool {
        self.stale
            || self
                .callers
                .iter()
                .any(|(_, ops)| ops.contains(&Op::Refresh))
    }

    fn can_go(&self, state: &State, caller: &Caller) -> bool {
        match caller.at {
            At::Follow(_) | At::Done | At::Dead => false,
            At::Await(token) => match self.rules.waiters {
                Waiters::TokenGone => state.redis.key != Stored::Token(token),
                Waiters::ValueThere => matches!(state.redis.key, Stored::Value { .. }),
            },
            _ => true,
        }
    }

    fn go(&self, state: &mut State, who: usize) {
        let mut turn = Turn {
            world: self,
            state,
            who,
        };
        match turn.me().at {
            At::Start | At::LookAgain => turn.begin(),
            At::Sent(step) => match turn.me().pipeline.take_first() {
                Some(command) => serve(turn.state, who, command),
                None => turn.handle(step),
            },
            At::Await(_) => turn.look(),
            At::Body(load) => turn.read_source(load),
            At::Loaded(load) => turn.finish(load),
            At::Follow(_) | At::Done | At::Dead => unreachable!("nothing to do"),
        }
    }

    /// Nothing goes wrong from here on, and leases without a holder run out: how many had to until
    /// every call had ended? One order stands for all of them. `None`: some call never ends.
    fn leases_to_the_end(&self, from: &State) -> Option<u8> {
        let mut state = from.clone();
        state.faults = NONE;
        let mut expired = 0;
        // Far more steps than any world needs: whoever takes them goes in circles.
        for _ in 0..500 {
            let next = state
                .callers
                .iter()
                .position(|caller| self.can_go(&state, caller));
            if let Some(who) = next {
                self.go(&mut state, who);
            } else if state.callers.iter().all(Caller::is_over) {
                return Some(expired);
            } else {
                let Stored::Token(token) = state.redis.key else {
                    return None;
                };
                if state.callers.iter().any(|caller| caller.holds_on_to(token)) {
                    return None;
                }
                state.redis.key = Stored::Nothing;
                expired += 1;
            }
        }
        None
    }

    fn every_call_ends(&self, state: &State) -> bool {
        let orphaned = self.faults.orphaning() - state.faults.orphaning();
        self.leases_to_the_end(state)
            .is_some_and(|expired| expired <= orphaned)
    }
}

fn serve(state: &mut State, who: usize, command: Command) {
    let reply = state.run(command);
    let known = &mut state.callers[who].reply;
    match (command, reply) {
        (Command::UnlinkRefresh, _) => {
            known.get_or_insert(reply);
        }
        // The age is read behind the value, and may be that of what came after it.
        (Command::Pttl, Reply::Saw(now)) => {
            if let Some(Reply::Saw(Stored::Value { stale, .. })) = known {
                *stale = !matches!(now, Stored::Value { stale: false, .. } | Stored::Nothing);
            }
        }
        _ => *known = Some(reply),
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let processes = self
            .callers
            .iter()
            .map(|(process, _)| process + 1)
            .max()
            .unwrap_or(0);
        vec![State {
            source: 1,
            redis: Redis::holding(self.stored),
            replica: (self.faults.failovers > 0).then_some((self.stored, None)),
            floor: 0,
            board: vec![None; processes],
            callers: vec![Caller::new(At::Start, 0, 0); self.callers.len()],
            late: vec![],
            faults: self.faults,
            disturbed: false,
            stale_read: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let callers = state.callers.iter().enumerate();
        let able = callers.filter(|(_, caller)| self.can_go(state, caller));
        actions.extend(able.map(|(who, _)| Action::Go(who)));
        actions.extend(self.possible_faults(state).into_iter().map(Action::Fault));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Go(who) => self.go(&mut state, who),
            Action::Fault(fault) => self.befall(&mut state, fault),
        }
        Some(state)
    }

    fn format_step(&self, last: &State, action: Action) -> Option<String> {
        let next = self.next_state(last, action)?;
        let step = match action {
            Action::Fault(fault) => format!("{fault:?}"),
            Action::Go(who) => {
                let (before, after) = (&last.callers[who], &next.callers[who]);
                let taken = before.pipeline.first();
                let served = taken.map(|command| format!(", the server takes {command:?}"));
                let served = served.unwrap_or_default();
                format!("{who}: {:?} -> {:?}{served}", before.at, after.at)
            }
        };
        let Redis { key, refresh, .. } = next.redis;
        let (source, floor) = (next.source, next.floor);
        Some(format!(
            "{step}  [{key:?}, refresh {refresh:?}, source {source}, promised {floor}]"
        ))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1, |_, state: &State| !state.stale_read),
            Property::always(S2, |_, state: &State| {
                state.disturbed || state.callers.iter().filter(|caller| caller.loads()).count() <= 1
            }),
            Property::always(L1, |world: &Self, state: &State| {
                world.every_call_ends(state)
            }),
        ]
    }
}
