//! The process that calls: so many callers of one contender, who call on and on.

use std::io::BufRead;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::contenders::{self, Answer, CALLERS, Call, SHARE, returned, value};
use super::seen::Outcome;
use crate::worker::now_micros;

/// The role of this process.
pub const ROLE: &str = "callers";

/// Whoever waits for longer is taken to be left without an answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Between two calls of one caller.
const PAUSE: Duration = Duration::from_millis(1);

/// Keys that a caller comes back to.
const WARM: u64 = 50;
/// Of so many calls one is of a key that nothing was ever stored under.
const FRESH: u64 = 10;

/// Whether they call, which they are told by the process that started this one.
static PHASE: AtomicU8 = AtomicU8::new(REST);
const REST: u8 = 0;
const CALL: u8 = 1;
const STOP: u8 = 2;

/// A line for each call that ended.
static CAME_TO: Mutex<Vec<String>> = Mutex::new(Vec::new());
static ENDED: AtomicU64 = AtomicU64::new(0);

pub fn work(runtime: &Handle, contender: &str, url: &str) {
    // A panic is told as what a call came to.
    std::panic::set_hook(Box::new(|_| {}));
    contenders::set_url(url);
    let call = contenders::find(contender).call;
    for caller in 0..CALLERS {
        match call {
            Call::OfTask(call) => {
                runtime.spawn(async move {
                    for n in keys(caller) {
                        tokio::time::sleep(PAUSE).await;
                        while phase() == REST {
                            tokio::time::sleep(PAUSE).await;
                        }
                        if phase() == STOP {
                            break;
                        }
                        let begun = Begun::now(n);
                        let calling = tokio::time::timeout(PATIENCE, tokio::spawn(call(n)));
                        match calling.await {
                            Err(_) => begun.came_to(Outcome::Unanswered),
                            Ok(Err(_)) => begun.came_to(Outcome::Panicked),
                            Ok(Ok(answer)) => begun.answered(&answer),
                        }
                    }
                    ENDED.fetch_add(1, Relaxed);
                });
            }
            Call::OfThread(call) => {
                std::thread::spawn(move || {
                    for n in keys(caller) {
                        sleep(PAUSE);
                        while phase() == REST {
                            sleep(PAUSE);
                        }
                        if phase() == STOP {
                            break;
                        }
                        let begun = Begun::now(n);
                        match catch_unwind(|| call(n)) {
                            Err(_) => begun.came_to(Outcome::Panicked),
                            Ok(answer) => begun.answered(&answer),
                        }
                    }
                    ENDED.fetch_add(1, Relaxed);
                });
            }
        }
    }
    println!("ready");
    do_as_told();
    let stopped = Instant::now();
    while ENDED.load(Relaxed) < CALLERS && stopped.elapsed() < PATIENCE {
        sleep(PAUSE);
    }
    for _ in ENDED.load(Relaxed)..CALLERS {
        Begun::now(0).came_to(Outcome::Unanswered);
    }
    let came_to = CAME_TO.lock().unwrap_or_else(PoisonError::into_inner);
    came_to.iter().for_each(|line| println!("{line}"));
    // Threads that wait for ever must not keep it.
    std::process::exit(0);
}

/// Until told to stop, or until there is nobody to tell.
fn do_as_told() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match line.as_str() {
            "go" => PHASE.store(CALL, Relaxed),
            "rest" => PHASE.store(REST, Relaxed),
            _ => break,
        }
    }
    PHASE.store(STOP, Relaxed);
}

fn phase() -> u8 {
    PHASE.load(Relaxed)
}

/// The keys of one caller's calls, of which nobody else makes one.
fn keys(caller: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |call| {
        let key = match call % FRESH {
            0 => WARM + call,
            _ => call % WARM,
        };
        caller * SHARE + key
    })
}

/// A call under way.
struct Begun {
    n: u64,
    bodies: u64,
    at_micros: f64,
    since: Instant,
}

impl Begun {
    fn now(n: u64) -> Self {
        Self {
            n,
            bodies: returned(n),
            at_micros: now_micros(),
            since: Instant::now(),
        }
    }

    fn answered(self, answer: &Answer) {
        let ran = returned(self.n) > self.bodies;
        let right = value(self.n);
        self.came_to(match answer {
            Ok(found) if *found != right => Outcome::Wrong,
            Ok(_) if ran => Outcome::Body,
            Ok(_) => Outcome::Hit,
            Err(_) if ran => Outcome::ErrorAfterBody,
            Err(_) => Outcome::Error,
        });
    }

    fn came_to(self, outcome: Outcome) {
        let took = match outcome {
            Outcome::Unanswered => PATIENCE,
            _ => self.since.elapsed(),
        };
        let line = outcome.line(self.at_micros, took);
        let mut came_to = CAME_TO.lock().unwrap_or_else(PoisonError::into_inner);
        came_to.push(line);
    }
}
