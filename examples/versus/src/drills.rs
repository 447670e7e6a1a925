//! What a fault of the server does to the callers of each contender.
//!
//! `cargo run --release --bin drills` runs them all, with a word those whose name holds it. Each
//! contender calls from a process of its own, and on a server of its own, so that neither a panic nor
//! a call that never returns keeps the others from their turn.

pub mod callers;
pub mod contenders;
pub mod leader;
#[path = "../../../tests/suite/proxy.rs"]
#[allow(dead_code, reason = "the suite uses the rest")]
mod proxy;
pub mod seen;

use std::thread::sleep;
use std::time::Duration;

use self::callers::ROLE;
use self::contenders::CONTENDERS;
use self::proxy::Proxy;
use self::seen::Seen;
use crate::server::{Server, free_port};
use crate::worker::{Worker, now_micros};

/// What happens, and what the callers of a contender say of it.
struct Drill {
    name: &'static str,
    fault: &'static str,
    told: fn(&'static str) -> String,
}

const DRILLS: &[Drill] = &[
    Drill {
        name: "cold-down",
        fault: "nothing listens at the first call, for 12 s",
        told: |of| cold_down(of).to_string(),
    },
    Drill {
        name: "kill-restart",
        fault: "kill -9 under load, 1.5 s down, started again",
        told: |of| kill_restart(of).to_string(),
    },
    Drill {
        name: "freeze",
        fault: "the server is stopped for 3 s",
        told: |of| freeze(of).to_string(),
    },
    Drill {
        name: "black-hole",
        fault: "what open connections send is swallowed, new ones work",
        told: |of| black_hole(of).to_string(),
    },
    Drill {
        name: "idle-black-hole",
        fault: "the same, while nobody calls for 8 s",
        told: |of| idle_black_hole(of).to_string(),
    },
    Drill {
        name: "oom",
        fault: "no memory for more, for 2 s",
        told: |of| oom(of).to_string(),
    },
    Drill {
        name: "no-write-right",
        fault: "no right to SET, SETEX and PSETEX, for 2 s",
        told: |of| no_write_right(of).to_string(),
    },
    Drill {
        name: "wrong-password",
        fault: "another password and all connections ended, for 2 s",
        told: |of| wrong_password(of).to_string(),
    },
    Drill {
        name: "junk",
        fault: "bytes that are no value, under all keys",
        told: |of| spoilt(of, |server, key| server.ask(&["SET", key, "{junk"])).to_string(),
    },
    Drill {
        name: "wrong-type",
        fault: "a list, under all keys",
        told: |of| spoilt(of, |server, key| server.ask(&["LPUSH", key, "junk"])).to_string(),
    },
    Drill {
        name: "dead-leader",
        fault: "kill -9 the process that loads a key; 50 callers of another one want it",
        told: |of| leader::dead_leader(of).to_string(),
    },
];

/// Runs those whose name holds one of the words, or all if there is none. Whether there was one.
pub fn run(words: &[String]) -> bool {
    let is_asked_for =
        |drill: &&Drill| words.is_empty() || words.iter().any(|word| drill.name.contains(word));
    let mut some = false;
    for Drill { name, fault, told } in DRILLS.iter().filter(is_asked_for) {
        some = true;
        println!("\n{name}: {fault}");
        for contender in CONTENDERS {
            println!("  {:<28} {}", contender.name, told(contender.name));
        }
    }
    some
}

/// The callers of one contender, in another process.
struct Callers(Worker);

impl Callers {
    fn start(contender: &str, url: &str) -> Self {
        Self(start(ROLE, contender, url))
    }

    /// Lets them call for this while.
    fn call_for(&mut self, seconds: f64) {
        self.0.say("go");
        sleep(Duration::from_secs_f64(seconds));
    }

    fn rest_for(&mut self, seconds: f64) {
        self.0.say("rest");
        sleep(Duration::from_secs_f64(seconds));
    }

    /// What they saw of a fault that began and ended at these moments.
    fn end(mut self, began: f64, over: f64) -> Seen {
        self.0.say("stop");
        let lines = std::iter::from_fn(|| self.0.line());
        Seen::new(lines, began, over, now_micros())
    }
}

/// A process with the contender whose server is there.
fn start(role: &str, contender: &str, url: &str) -> Worker {
    // Where `cached` looks for it.
    let variables = [("CACHED_REDIS_CONNECTION_STRING", url)];
    Worker::start_with(role, &[contender, url], &variables)
}

fn cold_down(contender: &str) -> Seen {
    let port = free_port();
    let mut callers = Callers::start(contender, &format!("redis://127.0.0.1:{port}"));
    let began = now_micros();
    callers.call_for(12.0);
    let _server = Server::start_at(port);
    let over = now_micros();
    callers.call_for(4.0);
    callers.end(began, over)
}

fn kill_restart(contender: &str) -> Seen {
    let mut server = Server::start();
    let mut callers = Callers::start(contender, server.url());
    callers.call_for(1.0);
    let began = now_micros();
    server.kill();
    callers.call_for(1.5);
    server.restart();
    let over = now_micros();
    callers.call_for(4.0);
    callers.end(began, over)
}

fn freeze(contender: &str) -> Seen {
    let server = Server::start();
    let mut callers = Callers::start(contender, server.url());
    callers.call_for(1.0);
    let began = now_micros();
    server.freeze();
    callers.call_for(3.0);
    server.thaw();
    let over = now_micros();
    callers.call_for(3.0);
    callers.end(began, over)
}

fn black_hole(contender: &str) -> Seen {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let mut callers = Callers::start(contender, &proxy.url());
    callers.call_for(1.0);
    let began = now_micros();
    proxy.swallow();
    callers.call_for(8.0);
    // For who connects anew it was over at once.
    callers.end(began, began)
}

fn idle_black_hole(contender: &str) -> Seen {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let mut callers = Callers::start(contender, &proxy.url());
    callers.call_for(1.0);
    callers.rest_for(0.5);
    proxy.swallow();
    callers.rest_for(8.0);
    let began = now_micros();
    callers.call_for(3.0);
    callers.end(began, began)
}

fn oom(contender: &str) -> Seen {
    let refuse = ["CONFIG", "SET", "maxmemory", "1"];
    let allow = ["CONFIG", "SET", "maxmemory", "0"];
    refused(contender, &[&refuse], &[&allow])
}

fn no_write_right(contender: &str) -> Seen {
    let refuse = ["ACL", "SETUSER", "default", "-set", "-setex", "-psetex"];
    let allow = ["ACL", "SETUSER", "default", "+set", "+setex", "+psetex"];
    refused(contender, &[&refuse], &[&allow])
}

fn wrong_password(contender: &str) -> Seen {
    let refuse = ["CONFIG", "SET", "requirepass", "another"];
    let end = ["CLIENT", "KILL", "TYPE", "normal"];
    let allow = ["CONFIG", "SET", "requirepass", ""];
    refused(contender, &[&refuse, &end], &[&allow])
}

fn refused(contender: &str, refuse: &[&[&str]], allow: &[&[&str]]) -> Seen {
    let server = Server::start();
    let ask = |words: &&[&str]| server.ask(words);
    let mut callers = Callers::start(contender, server.url());
    callers.call_for(1.0);
    let began = now_micros();
    refuse.iter().for_each(ask);
    callers.call_for(2.0);
    allow.iter().for_each(ask);
    let over = now_micros();
    callers.call_for(3.0);
    callers.end(began, over)
}

fn spoilt(contender: &str, spoil: fn(&Server, &str)) -> Seen {
    let server = Server::start();
    let mut callers = Callers::start(contender, server.url());
    callers.call_for(1.0);
    let began = now_micros();
    for key in server.ask::<Vec<String>>(&["KEYS", "*"]) {
        server.ask::<()>(&["DEL", &key]);
        spoil(&server, &key);
    }
    let over = now_micros();
    callers.call_for(2.0);
    callers.end(began, over)
}
