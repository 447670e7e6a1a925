//! The goals, what was measured for each, and whether it is reached.

use serde::Serialize;

use crate::allocations::Allocations;
use crate::contenders::cached::Cached;
use crate::contenders::cached_in_client::CachedInClient;
use crate::contenders::cached_threads::CachedThreads;
use crate::contenders::checkout::Checkout;
use crate::contenders::multiplexed::Multiplexed;
use crate::contenders::ours::Ours;
use crate::contenders::ours_near::OursNear;
use crate::contenders::ours_threads::OursThreads;
use crate::contenders::own_connection::OwnConnection;
use crate::contenders::{Peer, ThreadPeer};
use crate::hits::Hits;
use crate::invalidation::Seen;
use crate::measure::{Slice, Table};
use crate::miss::Miss;
use crate::near::NearHits;
use crate::stampede::{CALLERS_EACH, Followers, PROCESSES, Stampede};
use crate::values::Size;
use crate::woken::Woken;

/// All that was measured.
pub struct Figures {
    pub hits: Hits,
    pub allocations: Result<Allocations, String>,
    pub stampede: Stampede,
    pub followers: Followers,
    pub woken: Option<Woken>,
    /// The median time of a lone caller after a burst, to that of one in a cache without.
    pub after_burst: f64,
    pub miss: Miss,
    pub outage_micros: f64,
    pub near: Near,
}

#[derive(Debug, Serialize)]
pub struct Near {
    pub hits: NearHits,
    /// Hits per second of a function that is not near, beside one that is, to alone.
    pub plain: f64,
    pub invalidation: Option<Seen>,
}

#[derive(Debug, Serialize)]
pub struct Goal {
    number: &'static str,
    what: String,
    bound: Bound,
    /// To two digits, as it is printed and compared.
    figure: Option<f64>,
    verdict: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

impl Bound {
    fn is_kept_by(self, figure: f64) -> bool {
        match self {
            AtLeast(least) => figure >= least,
            AtMost(most) => figure <= most,
        }
    }

    fn shown(self) -> String {
        match self {
            AtLeast(least) => format!(">= {least:.2}"),
            AtMost(most) => format!("<= {most:.2}"),
        }
    }
}

const SONIC: &str = "not built: sonic-rs made such a hit 1.2 times as fast, and 1.3 was asked for";
const LATE: &str = "not measured: the machine was too busy to count in time";
const UNKNOWN: &str = "not measured";
const UNSEEN: &str = "not measured: a change was not seen";

fn goal(
    number: &'static str,
    what: impl Into<String>,
    bound: Bound,
    figure: Result<f64, &str>,
) -> Goal {
    let figure = figure.map(|figure| (figure * 100.0).round() / 100.0);
    let verdict = match figure {
        Ok(figure) if bound.is_kept_by(figure) => "reached",
        Ok(_) => "not reached",
        Err(why) => why,
    };
    Goal {
        number,
        what: what.into(),
        bound,
        figure: figure.ok(),
        verdict: verdict.to_owned(),
    }
}

/// A ratio of two contenders of the table.
fn ratio(table: &Table, ours: &str, to: &str, of: fn(&Slice) -> f64) -> Result<f64, &'static str> {
    table.ratio(ours, to, of).ok_or(UNKNOWN)
}

const PER_SECOND: fn(&Slice) -> f64 = |slice| slice.per_second;
const P50: fn(&Slice) -> f64 = |slice| slice.p50_micros;
const P99: fn(&Slice) -> f64 = |slice| slice.p99_micros;
const SERVER_CPU: fn(&Slice) -> f64 = |slice| slice.probed;

pub fn all(figures: &Figures) -> Vec<Goal> {
    let mut goals = of_tasks(&figures.hits);
    goals.push(goal(
        "G4",
        "p50 at 1: after a burst of 1024 / without",
        AtMost(1.05),
        Ok(figures.after_burst),
    ));
    goals.extend(of_near(figures));
    goals.extend(of_allocations(figures));
    goals.extend(of_threads(&figures.hits));
    goals.extend(of_loads(figures));
    // Stable, so that the parts of a goal keep their order.
    goals.sort_by_key(|goal| goal.number[1..].parse::<u32>().unwrap_or_default());
    goals
}

fn of_tasks(hits: &Hits) -> Vec<Goal> {
    let small = |callers, to, of| ratio(hits.at(Size::Small, callers), Ours::NAME, to, of);
    let large = |callers, to, of| ratio(hits.at(Size::Large, callers), Ours::NAME, to, of);
    let (cached, checkout, multiplexed) = (Cached::NAME, Checkout::NAME, Multiplexed::NAME);
    vec![
        goal(
            "G1",
            "hits/s at 64: ours / cached",
            AtLeast(2.5),
            small(64, cached, PER_SECOND),
        ),
        goal(
            "G2",
            "hits/s at 1024: ours / cached",
            AtLeast(4.0),
            small(1024, cached, PER_SECOND),
        ),
        goal(
            "G3",
            "hits/s at 64: ours / deadpool",
            AtLeast(15.0),
            small(64, checkout, PER_SECOND),
        ),
        goal(
            "G3",
            "hits/s at 256: ours / deadpool",
            AtLeast(25.0),
            small(256, checkout, PER_SECOND),
        ),
        goal(
            "G4",
            "p50 at 1: ours / multiplexed",
            AtMost(1.0),
            small(1, multiplexed, P50),
        ),
        goal(
            "G5",
            "hits/s at 16: ours / multiplexed",
            AtLeast(1.8),
            small(16, multiplexed, PER_SECOND),
        ),
        goal(
            "G6",
            "hits/s at 64, 2 KB: ours / cached",
            AtLeast(1.3),
            large(64, cached, PER_SECOND),
        ),
        goal(
            "G6",
            "the same with a faster decoder",
            AtLeast(1.6),
            Err(SONIC),
        ),
        goal(
            "G7",
            "server CPU a hit at 64: ours / multiplexed",
            AtMost(0.55),
            small(64, multiplexed, SERVER_CPU),
        ),
        goal(
            "G8",
            "p99 at 64: ours / multiplexed",
            AtMost(0.55),
            small(64, multiplexed, P99),
        ),
    ]
}

fn of_near(figures: &Figures) -> Vec<Goal> {
    let near = &figures.near;
    let seen = near.invalidation.ok_or(UNSEEN);
    let lone = figures.hits.at(Size::Small, 1);
    vec![
        goal(
            "G9",
            "near hit, shared: ours / bare quick_cache get",
            AtMost(3.0),
            Ok(near.hits.shared_to_bare),
        ),
        goal(
            "G9",
            "near hit, shared, ns",
            AtMost(40.0),
            Ok(near.hits.shared_nanos),
        ),
        goal(
            "G9",
            "near hit, small value cloned, ns",
            AtMost(75.0),
            Ok(near.hits.cloned_nanos),
        ),
        goal(
            "G11",
            "near hits, shared: ours / cached with client-side caching",
            AtLeast(10.0),
            Ok(near.hits.cached_to_shared),
        ),
        goal(
            "G11",
            "near hits/s, cloned: ours / cached with client-side caching",
            AtLeast(10.0),
            ratio(lone, OursNear::NAME, CachedInClient::NAME, PER_SECOND),
        ),
        goal(
            "G17",
            "hits/s at 64 beside a near function / without one",
            AtLeast(0.98),
            Ok(near.plain),
        ),
        goal(
            "G19",
            "change seen by another process, p50 us",
            AtMost(100.0),
            seen.map(|of| of.p50_micros),
        ),
        goal(
            "G19",
            "change seen by another process, p99 us",
            AtMost(5000.0),
            seen.map(|of| of.p99_micros),
        ),
    ]
}

fn of_allocations(figures: &Figures) -> Vec<Goal> {
    let counted = figures.allocations.as_ref().map_err(String::as_str);
    let hit = counted.and_then(|of| of.beside_the_value(Ours::NAME, 64).ok_or(UNKNOWN));
    vec![
        goal(
            "G10",
            "allocations of a near hit, shared",
            AtMost(0.0),
            counted.map(|of| of.near_shared),
        ),
        goal(
            "G12",
            "allocations of a hit at 64, beside the value's",
            AtMost(3.0),
            hit,
        ),
    ]
}

fn of_threads(hits: &Hits) -> Vec<Goal> {
    let ours = |callers, to| {
        ratio(
            hits.at_threads(Size::Small, callers),
            OursThreads::NAME,
            to,
            PER_SECOND,
        )
    };
    vec![
        goal(
            "G13",
            "hits/s, 1 thread: ours / cached",
            AtLeast(1.8),
            ours(1, CachedThreads::NAME),
        ),
        goal(
            "G13",
            "hits/s, 64 threads: ours / cached",
            AtLeast(5.0),
            ours(64, CachedThreads::NAME),
        ),
        goal(
            "G13",
            "hits/s, 1 thread: ours / own connection",
            AtLeast(0.98),
            ours(1, OwnConnection::<false>::NAME),
        ),
        goal(
            "G13",
            "the same, where that has a deadline, too",
            AtLeast(0.98),
            ours(1, OwnConnection::<true>::NAME),
        ),
    ]
}

fn of_loads(figures: &Figures) -> Vec<Goal> {
    let Figures {
        stampede,
        followers,
        woken,
        miss,
        ..
    } = figures;
    let processes =
        format!("bodies for {PROCESSES} processes of {CALLERS_EACH} callers of a cold key");
    vec![
        goal(
            "G14",
            "bodies for 1024 callers of a cold key",
            AtMost(1.0),
            stampede.ours().map(|bodies| bodies as f64).ok_or(UNKNOWN),
        ),
        goal(
            "G14",
            processes,
            AtMost(1.0),
            Ok(stampede.across_processes as f64),
        ),
        goal(
            "G15",
            "1024 callers of one body: p99 beyond it, us",
            AtMost(1000.0),
            Ok(followers.p99_micros),
        ),
        goal(
            "G15",
            "commands while 1023 followers wait",
            AtMost(0.0),
            followers.polls.ok_or(LATE),
        ),
        goal(
            "G15",
            "follower in another process: p50 after the fill, us",
            AtMost(1000.0),
            woken.map(|of| of.p50_micros).ok_or(UNKNOWN),
        ),
        goal(
            "G16",
            "lone miss: ours / GET and SETEX by hand",
            AtMost(1.75),
            Ok(miss.ratio),
        ),
        goal(
            "G18",
            "added to a call while Redis is down, us",
            AtMost(1.0),
            Ok(figures.outage_micros),
        ),
    ]
}

pub fn print(goals: &[Goal]) {
    println!("\n{:<5}{:<56}{:>10}  {:<10}", "", "goal", "figure", "bound");
    for goal in goals {
        let figure = goal
            .figure
            .map_or("-".to_owned(), |figure| format!("{figure:.2}"));
        let (number, what, bound) = (goal.number, &goal.what, goal.bound.shown());
        println!(
            "{number:<5}{what:<56}{figure:>10}  {bound:<10}  {}",
            goal.verdict
        );
    }
    let reached = goals
        .iter()
        .filter(|goal| goal.verdict == "reached")
        .count();
    println!("{reached} of {} reached", goals.len());
}
