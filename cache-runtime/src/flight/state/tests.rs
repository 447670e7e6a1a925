//! Every interleaving of a leader, followers and an invalidation, by loom.

use std::sync::Arc as StdArc;
use std::time::{Duration, Instant};

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::{Next, Stage, Stamp, State};

/// What the threads share: the flight, and round it the world that its rules are about.
#[derive(Default)]
struct World {
    flight: State,
    /// What a body reads.
    source: u8,
    /// The leader's token stands on the server.
    token: bool,
    /// What was invalidated: no call that begins later may be answered with less.
    floor: u8,
    leaders: u32,
    answered: u32,
}

#[derive(Default)]
struct Shared {
    world: Mutex<World>,
    changed: Condvar,
}

/// How a load ends.
#[derive(Clone, Copy)]
enum Ends {
    Stored,
    NotStored,
    Failed,
    Left,
}

impl Shared {
    /// One step that nobody else is in the middle of.
    fn step<T>(&self, step: impl FnOnce(&mut World) -> T) -> T {
        let stepped = step(&mut self.world.lock().unwrap());
        self.changed.notify_all();
        stepped
    }

    fn lead(&self, ends: Ends) {
        self.step(|world| {
            world.leaders += 1;
            assert_eq!(world.leaders, 1, "two lead at once");
            world.token = true;
        });
        let body = self.step(|world| world.flight.raise());
        let value = self.step(|world| world.source);
        let json: StdArc<[u8]> = vec![value].into();
        match ends {
            Ends::Stored => {
                self.step(|world| world.flight.answer(&json, body));
                let sent = self.step(|world| world.flight.raise());
                let filled = self.step(|world| std::mem::take(&mut world.token));
                if filled {
                    self.step(|world| world.flight.answer(&json, sent));
                }
            }
            Ends::NotStored => self.step(|world| world.flight.answer(&json, body)),
            Ends::Failed | Ends::Left => {}
        }
        self.step(|world| {
            world.leaders -= 1;
            match ends {
                Ends::Failed => world.flight.failed(),
                Ends::Left => world.flight.left(),
                Ends::Stored | Ends::NotStored => {
                    world.flight.leading = false;
                    world.flight.over = true;
                }
            }
        });
    }

    /// A call that begins now and meets the flight; its own load, if it comes to that, succeeds.
    fn follow(&self) {
        let (floor, joined): (u8, Stamp) = self.step(|world| (world.floor, world.flight.stamp));
        let mut world = self.world.lock().unwrap();
        loop {
            match world.flight.next(joined) {
                Next::Wait => world = self.changed.wait(world).unwrap(),
                Next::Take(json) => {
                    assert!(json[0] >= floor, "stale");
                    break;
                }
                Next::Lead => {
                    drop(world);
                    self.lead(Ends::NotStored);
                    world = self.world.lock().unwrap();
                    break;
                }
                Next::Alone | Next::LookAgain => break,
            }
        }
        world.answered += 1;
    }

    fn invalidate(&self) {
        self.step(|world| world.source = 2);
        self.step(|world| world.token = false);
        self.step(|world| world.floor = 2);
    }
}

fn every_interleaving(ends: Ends, followers: u32, invalidated: bool) {
    let mut model = loom::model::Builder::new();
    // Without a bound it takes hours. What these rules were made against needs two preemptions.
    model.preemption_bound = Some(if followers > 1 { 2 } else { 3 });
    model.check(move || {
        let shared = Arc::new(Shared::default());
        shared.step(|world| {
            world.source = 1;
            world.flight.leading = true;
        });
        let threads: Vec<_> = (0..followers)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || shared.follow())
            })
            .collect();
        let invalidation = invalidated.then(|| {
            let shared = shared.clone();
            thread::spawn(move || shared.invalidate())
        });
        shared.lead(ends);
        for thread in threads.into_iter().chain(invalidation) {
            thread.join().unwrap();
        }
        shared.step(|world| {
            assert_eq!(world.answered, followers, "somebody waits for ever");
            assert_eq!(world.leaders, 0);
        });
    });
}

#[test]
fn a_stored_value_reaches_only_those_who_may_take_it() {
    every_interleaving(Ends::Stored, 1, true);
    every_interleaving(Ends::Stored, 2, false);
}

#[test]
fn a_value_that_is_not_stored_reaches_only_those_who_joined_before_its_body() {
    every_interleaving(Ends::NotStored, 1, true);
    every_interleaving(Ends::NotStored, 2, false);
}

#[test]
fn after_a_failure_one_follower_goes_on_and_nobody_waits_for_ever() {
    every_interleaving(Ends::Failed, 1, true);
    every_interleaving(Ends::Failed, 2, false);
}

#[test]
fn a_leader_that_leaves_is_followed_by_another() {
    every_interleaving(Ends::Left, 1, true);
    every_interleaving(Ends::Left, 2, false);
}

#[test]
fn each_further_failure_doubles_how_many_go_on() {
    let mut state = State {
        leading: true,
        ..State::default()
    };
    for round in 0..5 {
        assert_eq!(state.next(0), Next::Wait);
        state.failed();
        assert_eq!(state.next(0), Next::Lead);
        for _ in 1..1 << round {
            assert_eq!(state.next(0), Next::Alone);
        }
    }
}

#[test]
fn a_later_proof_of_an_answer_lets_more_take_it() {
    let mut state = State::default();
    let json: StdArc<[u8]> = vec![1].into();
    let body = state.raise();
    state.answer(&json, body);
    assert_eq!(state.next(0), Next::Take(json.clone()));
    assert_eq!(state.next(body), Next::Wait);
    let sent = state.raise();
    state.answer(&json, sent);
    assert_eq!(state.next(body), Next::Take(json.clone()));
    assert_eq!(state.next(sent), Next::Wait);
    state.over = true;
    assert_eq!(state.next(sent), Next::LookAgain);
    state.answer(&json, body);
    assert_eq!(state.next(body), Next::Take(json));
}

#[test]
fn the_time_of_the_body_is_nobodys_time_for_the_server() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut flight = State {
        members: 2,
        ..State::default()
    };
    assert_eq!(flight.asked(at(0)), Duration::ZERO);
    flight.turn(Stage::Loading, || at(10));
    assert_eq!(flight.asked(at(500)), Duration::from_millis(10));
    flight.turn(Stage::Ending, || at(900));
    assert_eq!(flight.asked(at(930)), Duration::from_millis(40));
}

#[test]
fn who_leads_next_is_not_hurried_by_what_hurried_the_last_one() {
    let mut flight = State::default();
    flight.hurry();
    assert!(flight.hurried);
    flight.turn(Stage::Loading, Instant::now);
    flight.turn(Stage::Asking, Instant::now);
    assert!(!flight.hurried);
}

#[test]
fn a_body_is_not_hurried() {
    let mut flight = State::default();
    flight.turn(Stage::Loading, Instant::now);
    flight.hurry();
    assert!(!flight.hurried && !flight.over);
}
