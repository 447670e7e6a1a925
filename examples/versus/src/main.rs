//! One command: starts a server, measures everyone, prints the tables and the goals.

use std::process::ExitCode;

use serde_json::json;
use tokio::runtime::{Handle, Runtime};
use versus::allocations::Allocations;
use versus::chart::{self, Panel};
use versus::contenders::{self, Peer, ours::Ours};
use versus::facts::Facts;
use versus::goals::{self, Figures, Near};
use versus::hits::Hits;
use versus::miss::Miss;
use versus::near::{self, NearHits};
use versus::options::{Effort, Options, USAGE};
use versus::server::Server;
use versus::stampede::{self, Followers, Stampede};
use versus::worker::WORKER;
use versus::{burst, invalidation, outage, woken};

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime can be started");
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [worker, role, url, id] = arguments.as_slice()
        && worker == WORKER
    {
        work(runtime.handle(), role, url, id);
        return ExitCode::SUCCESS;
    }
    match Options::read(arguments.into_iter()) {
        Ok(options) => run(runtime.handle(), &options),
        Err(mistake) => {
            eprintln!("{mistake}\n\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// As another process of the one that measures.
fn work(runtime: &Handle, role: &str, url: &str, id: &str) {
    let id = id.parse().expect("a worker is given a number");
    match role {
        stampede::ROLE => stampede::work(runtime, url, id),
        invalidation::ROLE => invalidation::work(runtime, url, id),
        woken::ROLE => woken::work(runtime, url),
        _ => eprintln!("there is no worker called {role}"),
    }
}

fn run(runtime: &Handle, options: &Options) -> ExitCode {
    let server = Server::start();
    let facts = Facts::collect(server.version());
    facts.print();
    let figures = measure(runtime, &server, options.effort());
    let goals = goals::all(&figures);
    goals::print(&goals);
    let mut files = Vec::new();
    if let Some(file) = &options.json {
        let report = json!({
            "facts": facts,
            "hits": figures.hits.rows(),
            "allocations": figures.allocations.as_ref().ok(),
            "bodies_for_a_cold_key": figures.stampede,
            "followers_of_1024_callers": figures.followers,
            "followers_in_another_process": figures.woken,
            "lone_caller_after_a_burst": figures.after_burst,
            "miss": figures.miss,
            "added_micros_while_redis_is_down": figures.outage_micros,
            "near": figures.near,
            "goals": goals,
        });
        files.push((file, format!("{report:#}\n")));
    }
    if let Some(file) = &options.svg {
        files.push((file, chart(&facts, &figures.hits)));
    }
    for (file, text) in files {
        if let Err(error) = std::fs::write(file, text) {
            eprintln!("{} cannot be written: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(runtime: &Handle, server: &Server, effort: Effort) -> Figures {
    // First, since it builds a program, and nothing else is to run beside that.
    eprintln!("counting allocations");
    let allocations = Allocations::measure(server.url());
    match &allocations {
        Ok(allocations) => allocations.print(),
        Err(why) => println!("\nallocations were not counted: {why}"),
    }
    let contenders = contenders::of_tasks(server.url(), runtime);
    let hits = Hits::measure(server, &contenders, effort);
    hits.print();
    let stampede = Stampede::measure(server, &contenders, effort.rounds);
    stampede.print();
    let followers = Followers::measure(runtime, server, 1024, effort.rounds);
    let (p50, p99) = (followers.p50_micros, followers.p99_micros);
    let commands = followers.commands;
    println!("\n1024 callers of one body, beyond its time: p50 {p50:.0} us, p99 {p99:.0} us");
    println!("commands they sent in all: {commands:.0}");
    let miss = Miss::measure(runtime, server, effort);
    let (by_hand, ours) = (miss.by_hand_micros, miss.ours_micros);
    println!("a lone miss: {ours:.1} us; GET and SETEX by hand: {by_hand:.1} us");
    Figures {
        hits,
        allocations,
        stampede,
        followers,
        woken: woken::measure(runtime, server),
        after_burst: burst::after_to_without(runtime, server, effort),
        miss,
        outage_micros: outage::added_micros(runtime, effort),
        near: Near {
            hits: NearHits::measure(runtime, effort),
            plain: near::plain_beside_near(runtime, server, effort),
            invalidation: invalidation::measure(server, effort.calls),
        },
    }
}

fn chart(facts: &Facts, hits: &Hits) -> String {
    let panel = |callers| Panel {
        heading: format!("{callers} async callers"),
        bars: hits.bars(callers),
    };
    let machine = format!("{}, redis-server {}", facts.place(), facts.redis_server);
    let footer = [machine, facts.packages()];
    let panels = [panel(64), panel(1024)];
    chart::svg(
        "Hits per second, small values",
        &panels,
        &footer,
        Ours::NAME,
    )
}
