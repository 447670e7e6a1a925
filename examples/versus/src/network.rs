//! Ours beside a GET by hand, through a link with a round-trip time.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::contenders::multiplexed::Multiplexed;
use crate::contenders::ours::Ours;
use crate::contenders::ours_threads::OursThreads;
use crate::contenders::own_connection::OwnConnection;
use crate::contenders::{self, AsyncContender, Contender, Peer, ThreadPeer};
use crate::hits::block;
use crate::link::Link;
use crate::measure::{Keys, Plan, Slice, Table, median};
use crate::open_loop::Seen;
use crate::server::Server;
use crate::values::Size;

/// The usual round-trip times, in microseconds: loopback, one rack, one region, two regions.
pub const ROUND_TRIPS: [u64; 4] = [0, 500, 2_000, 20_000];

const TASKS: [usize; 8] = [1, 2, 4, 8, 16, 64, 256, 1024];
const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 64, 256];
const PER_SECOND: [f64; 4] = [200.0, 1_000.0, 5_000.0, 20_000.0];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Each slice takes as long as so many round trips, but at least [`SHORTEST`].
    pub round_trips: u32,
}

impl Effort {
    pub const FULL: Self = Self {
        rounds: 5,
        round_trips: 40,
    };
    pub const QUICK: Self = Self {
        rounds: 1,
        round_trips: 10,
    };

    fn slice(self, round_trip: Duration) -> Duration {
        (round_trip * self.round_trips).max(SHORTEST)
    }
}

const SHORTEST: Duration = Duration::from_millis(150);
/// Of an open loop: it needs some hundred calls also where few come.
const SHORTEST_OPEN: Duration = Duration::from_secs(1);

/// Measures and prints. One round-trip time a process, since the cache that is installed stays.
pub fn measure(runtime: &Handle, round_trip: Duration, effort: Effort) {
    let server = Server::start();
    let link = Link::to(server.port(), round_trip);
    let ceiling = link.ceiling();
    println!(
        "\n== round trip {} ms; a PING takes {:.0} us, and {:.0} thousand reads a second go through the link",
        round_trip.as_secs_f64() * 1e3,
        ceiling.ping_micros,
        ceiling.reads_per_second / 1e3,
    );
    let tasks = contenders::of_tasks_by_hand(link.url(), runtime);
    let threads = contenders::of_threads_by_hand(link.url());
    let of_tasks: Vec<_> = tasks
        .iter()
        .map(|of| of.as_ref() as &dyn Contender)
        .collect();
    let of_threads: Vec<_> = threads.iter().map(AsRef::as_ref).collect();
    let slice = effort.slice(round_trip);
    let closed = |contenders: &[&dyn Contender], callers: &[usize], keys| -> Vec<Table> {
        let table = |&callers| {
            let plan = Plan {
                size: Size::Small,
                keys,
                callers,
                rounds: effort.rounds,
                slice,
                probe: &|| 0.0,
            };
            Table::measure(contenders, &plan)
        };
        callers.iter().map(table).collect()
    };
    let hand = OwnConnection::<false>::NAME;
    let hits = closed(&of_tasks, &TASKS, Keys::Stored);
    print("hits, tasks", &hits, Ours::NAME, Multiplexed::NAME);
    print_open(&tasks, effort.rounds, slice);
    let hits = closed(&of_threads, &THREADS, Keys::Stored);
    print("hits, threads", &hits, OursThreads::NAME, hand);
    let misses = closed(&of_tasks, &TASKS, Keys::Cold);
    print("misses, tasks", &misses, Ours::NAME, Multiplexed::NAME);
    let misses = closed(&of_threads, &THREADS, Keys::Cold);
    print("misses, threads", &misses, OursThreads::NAME, hand);
}

/// The figures of ours in terms of those of the other.
fn print(what: &str, tables: &[Table], ours: &'static str, other: &str) {
    println!("\n{what}: {ours} / {other}");
    let ratio =
        |of: fn(&Slice) -> f64| move |table: &Table, name: &str| table.ratio(name, other, of);
    let tables: Vec<_> = tables.iter().collect();
    let only = Some(ours);
    block(
        &tables,
        "calls a second",
        2,
        only,
        ratio(|of| of.per_second),
    );
    block(&tables, "p50", 2, only, ratio(|of| of.p50_micros));
    block(&tables, "p99", 2, only, ratio(|of| of.p99_micros));
    let micros = |table: &Table, name: &str| table.median(name, |of| of.p50_micros);
    block(&tables, "p50 in us", 0, None, micros);
}

fn print_open(contenders: &[Box<dyn AsyncContender>], rounds: usize, slice: Duration) {
    println!("\nhits that come at random, timed from when they were due: ours / by hand");
    println!(
        "{:>12}{:>9}{:>9}{:>14}",
        "a second", "p50", "p99", "p50 in us"
    );
    let [ours, by_hand] = contenders else { return };
    for per_second in PER_SECOND {
        let of = |contender: &dyn AsyncContender, round| {
            contender.open_loop(per_second, slice.max(SHORTEST_OPEN), round)
        };
        let round = |round| match round % 2 {
            0 => (of(&**ours, round), of(&**by_hand, round)),
            _ => {
                let by_hand = of(&**by_hand, round);
                (of(&**ours, round), by_hand)
            }
        };
        let rounds: Vec<(Seen, Seen)> = (0..rounds as u64).map(round).collect();
        let ratio = |of: fn(&Seen) -> f64| {
            median(rounds.iter().map(|(ours, by_hand)| of(ours) / of(by_hand)))
        };
        println!(
            "{per_second:>12}{:>9.2}{:>9.2}{:>14.0}",
            ratio(|of| of.p50_micros),
            ratio(|of| of.p99_micros),
            median(rounds.iter().map(|(ours, _)| ours.p50_micros)),
        );
    }
}
