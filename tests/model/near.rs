//! The near tier of one process: typed copies that the server's pushes keep coherent.
//!
//! One key. Reads go out on one tracked lane, which carries replies and pushes in the order in
//! which the server wrote them. The process's own `invalidate` goes out on another connection, so
//! its reply and the push that it causes race. Another process writes too, and the lane may be
//! lost.

use stateright::{Model, Property};

use crate::redis::Version;
use crate::scenarios::{fails, holds, listed};

/// A call that begins after the process's own `invalidate` returned finds no older copy.
const N1: &str = "N1 own invalidation is seen at once";
/// With nothing under way the copy is what the server has, and the server will tell of a change.
const N2: &str = "N2 quiet means coherent";

/// When a read notes the key's epoch, which every push and every invalidation raises; the reply is
/// kept only if the epoch is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Epoch {
    Ignored,
    NotedBeforeSending,
    NotedAtReply,
}

#[derive(Clone, Copy, Debug)]
struct Near {
    epoch: Epoch,
    /// `invalidate` drops the copy and raises the epoch before it sends, and after the reply.
    drops_before: bool,
    drops_after: bool,
    /// A lost lane empties the tier and raises every epoch.
    flushes: bool,
}

const BUILT: Near = Near {
    epoch: Epoch::NotedBeforeSending,
    // This one is for an `invalidate` that fails, or whose future is dropped.
    drops_before: true,
    // This one carries the promise.
    drops_after: true,
    flushes: true,
};

const READS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Read {
    Start,
    Registered,
    Sent,
    Received(Version),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Invalidate {
    Start,
    Sent,
    Executed(Version),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Message {
    Reply { to: usize, version: Version },
    Push,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    stored: Version,
    /// The server will tell of the next change.
    tracked: bool,
    lane: Vec<Message>,
    epoch: u8,
    copy: Option<Version>,
    reads: [(Read, u8); READS],
    invalidate: Invalidate,
    written_elsewhere: bool,
    lane_lost: bool,
    /// What the process's own `invalidate` promised.
    floor: Version,
    stale_hit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Read(usize),
    Receive,
    Hit,
    Invalidate,
    WriteElsewhere,
    LoseLane,
}

impl State {
    fn write(&mut self) {
        self.stored += 1;
        if self.tracked {
            self.tracked = false;
            self.lane.push(Message::Push);
        }
    }

    fn drop_copy(&mut self) {
        self.copy = None;
        self.epoch += 1;
    }

    fn is_quiet(&self) -> bool {
        let under_way = |(read, _): &(Read, u8)| matches!(read, Read::Sent | Read::Received(_));
        self.lane.is_empty() && !self.reads.iter().any(under_way)
    }
}

impl Near {
    fn read(&self, state: &mut State, who: usize) {
        let (read, noted) = state.reads[who];
        state.reads[who] = match read {
            Read::Start => (Read::Registered, state.epoch),
            Read::Registered => {
                state.tracked = true;
                state.lane.push(Message::Reply {
                    to: who,
                    version: state.stored,
                });
                (Read::Sent, noted)
            }
            Read::Received(version) => {
                if self.epoch == Epoch::Ignored || noted == state.epoch {
                    state.copy = Some(version);
                }
                (Read::Done, 0)
            }
            Read::Sent | Read::Done => unreachable!("nothing to do"),
        };
    }

    fn receive(&self, state: &mut State) {
        match state.lane.remove(0) {
            Message::Push => state.drop_copy(),
            Message::Reply { to, version } => {
                let (read, noted) = &mut state.reads[to];
                *read = Read::Received(version);
                if self.epoch == Epoch::NotedAtReply {
                    *noted = state.epoch;
                }
            }
        }
    }

    fn invalidate(&self, state: &mut State) {
        state.invalidate = match state.invalidate {
            Invalidate::Start => {
                if self.drops_before {
                    state.drop_copy();
                }
                Invalidate::Sent
            }
            Invalidate::Sent => {
                state.write();
                Invalidate::Executed(state.stored)
            }
            Invalidate::Executed(version) => {
                if self.drops_after {
                    state.drop_copy();
                }
                state.floor = version;
                Invalidate::Done
            }
            Invalidate::Done => unreachable!("nothing to do"),
        };
    }

    /// What was on its way is lost, and the server forgets what it tracked.
    fn lose_lane(&self, state: &mut State) {
        state.lane_lost = true;
        state.lane.clear();
        state.tracked = false;
        for (read, _) in &mut state.reads {
            if *read == Read::Sent {
                *read = Read::Done;
            }
        }
        if self.flushes {
            state.drop_copy();
        }
    }
}

impl Model for Near {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            stored: 1,
            tracked: false,
            lane: vec![],
            epoch: 0,
            copy: None,
            reads: [(Read::Start, 0); READS],
            invalidate: Invalidate::Start,
            written_elsewhere: false,
            lane_lost: false,
            floor: 0,
            stale_hit: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let may_go = |read| matches!(read, Read::Start | Read::Registered | Read::Received(_));
        let reads = (0..READS).filter(|who| may_go(state.reads[*who].0));
        actions.extend(reads.map(Action::Read));
        let possible = [
            (!state.lane.is_empty(), Action::Receive),
            (state.copy.is_some(), Action::Hit),
            (state.invalidate != Invalidate::Done, Action::Invalidate),
            (!state.written_elsewhere, Action::WriteElsewhere),
            (!state.lane_lost, Action::LoseLane),
        ];
        actions.extend(
            possible
                .into_iter()
                .filter(|(may, _)| *may)
                .map(|(_, action)| action),
        );
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Read(who) => self.read(&mut state, who),
            Action::Receive => self.receive(&mut state),
            Action::Hit => state.stale_hit = state.copy.is_some_and(|copy| copy < state.floor),
            Action::Invalidate => self.invalidate(&mut state),
            Action::WriteElsewhere => {
                state.written_elsewhere = true;
                state.write();
            }
            Action::LoseLane => self.lose_lane(&mut state),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(N1, |_, state: &State| !state.stale_hit),
            Property::always(N2, |_, state: &State| {
                let coherent = |copy| copy == state.stored && state.tracked;
                !state.is_quiet() || state.copy.is_none_or(coherent)
            }),
        ]
    }
}

listed! {
    #[test]
    fn a_near_copy_is_never_older_than_the_own_invalidation() {
        holds(BUILT);
    }

    fn dropping_the_near_copy_after_the_reply_would_do_while_nothing_fails() {
        holds(Near {
            drops_before: false,
            ..BUILT
        });
    }

    #[test]
    fn dropping_the_near_copy_only_before_the_unlink_is_found_out() {
        fails(
            N1,
            Near {
                drops_after: false,
                ..BUILT
            },
        );
    }

    #[test]
    fn keeping_a_reply_that_a_push_overtook_is_found_out() {
        fails(
            N2,
            Near {
                epoch: Epoch::Ignored,
                ..BUILT
            },
        );
    }

    #[test]
    fn noting_the_epoch_only_when_the_reply_is_there_is_found_out() {
        fails(
            N1,
            Near {
                epoch: Epoch::NotedAtReply,
                ..BUILT
            },
        );
    }

    #[test]
    fn keeping_near_copies_when_the_lane_is_lost_is_found_out() {
        fails(
            N2,
            Near {
                flushes: false,
                ..BUILT
            },
        );
    }
}
