//! The process that loads a key dies, and callers of another one want it.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::contenders::{self, Answer, Call, begun, set_length_of_bodies, value};
use super::start;
use crate::server::Server;
use crate::worker::wait_to_go;

/// The roles of the two processes.
pub const LEADER: &str = "leader";
pub const FOLLOWERS: &str = "followers";

const KEY: u64 = 7;
const CALLERS: usize = 50;
/// Longer than a lease of any contender.
const LONGEST: Duration = Duration::from_secs(15);

/// What the callers saw.
pub struct Followed(Option<String>);

pub fn dead_leader(contender: &str) -> Followed {
    let server = Server::start();
    let mut followers = start(FOLLOWERS, contender, server.url());
    let leader = start(LEADER, contender, server.url());
    drop(leader);
    followers.go();
    Followed(followers.line())
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            self.0
                .as_deref()
                .unwrap_or("their process ended without a word"),
        )
    }
}

/// Loads the key, and goes no further.
pub fn lead(runtime: &Handle, contender: &str, url: &str) {
    contenders::set_url(url);
    set_length_of_bodies(Duration::from_secs(600));
    match contenders::find(contender).call {
        Call::OfTask(call) => drop(runtime.spawn(call(KEY))),
        Call::OfThread(call) => drop(std::thread::spawn(move || call(KEY))),
    }
    let since = Instant::now();
    while begun() == 0 && since.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(1));
    }
    wait_to_go();
}

/// Many callers want the key, and say what they got.
pub fn follow(runtime: &Handle, contender: &str, url: &str) {
    const BODY: Duration = Duration::from_millis(100);
    contenders::set_url(url);
    set_length_of_bodies(BODY);
    let call = contenders::find(contender).call;
    let call = |n: u64| -> JoinHandle<Answer> {
        match call {
            Call::OfTask(call) => runtime.spawn(call(n)),
            Call::OfThread(call) => runtime.spawn_blocking(move || call(n)),
        }
    };
    // Whatever it comes to, what there is to connect is connected.
    let _ = runtime.block_on(call(0));
    if !wait_to_go() {
        return;
    }
    let (before, since) = (begun(), Instant::now());
    let calls: Vec<_> = (0..CALLERS).map(|_| call(KEY)).collect();
    let answered = runtime.block_on(async {
        let mut answered = 0;
        for call in calls {
            let left = LONGEST.saturating_sub(since.elapsed());
            let answer = tokio::time::timeout(left, call).await;
            answered += usize::from(matches!(answer, Ok(Ok(Ok(found))) if found == value(KEY)));
        }
        answered
    });
    println!(
        "{answered} of {CALLERS} answered after {:.1} ms, {} bodies",
        since.elapsed().as_secs_f64() * 1e3,
        begun() - before
    );
    // Threads that wait for ever must not keep it.
    std::process::exit(0);
}
