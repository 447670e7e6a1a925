//! The tables of hits: every contender at every number of callers, with both sizes of value.

use serde::Serialize;

use crate::contenders::cached_threads::CachedThreads;
use crate::contenders::multiplexed::Multiplexed;
use crate::contenders::{self, AsyncContender, Contender, Peer, ThreadPeer};
use crate::measure::{Keys, Plan, Slice, Table};
use crate::options::Effort;
use crate::server::Server;
use crate::values::{Size, json_bytes};

const TASKS: [usize; 5] = [1, 16, 64, 256, 1024];
const THREADS: [usize; 4] = [1, 16, 64, 256];
const SIZES: [Size; 2] = [Size::Small, Size::Large];

pub struct Hits {
    pub of_tasks: Vec<Table>,
    pub of_threads: Vec<Table>,
    /// Those whose hits do not ask the server.
    in_process: Vec<&'static str>,
}

impl Hits {
    /// Says on the way where it is, since it takes a while.
    pub fn measure(server: &Server, tasks: &[Box<dyn AsyncContender>], effort: Effort) -> Self {
        let threads = contenders::of_threads(server.url());
        let in_process = tasks.iter().filter(|of| of.is_in_process());
        let in_process = in_process.map(|of| of.name()).collect();
        let tasks: Vec<&dyn Contender> =
            tasks.iter().map(|of| -> &dyn Contender { &**of }).collect();
        let threads: Vec<_> = threads.iter().map(AsRef::as_ref).collect();
        Self {
            of_tasks: tables(server, &tasks, &TASKS, effort, "tasks"),
            of_threads: tables(server, &threads, &THREADS, effort, "threads"),
            in_process,
        }
    }

    /// The table of async callers.
    pub fn at(&self, size: Size, callers: usize) -> &Table {
        find(&self.of_tasks, size, callers)
    }

    /// The table of sync callers.
    pub fn at_threads(&self, size: Size, callers: usize) -> &Table {
        find(&self.of_threads, size, callers)
    }

    /// Hits per second of those that ask the server, best first.
    pub fn bars(&self, callers: usize) -> Vec<(&'static str, f64)> {
        let table = self.at(Size::Small, callers);
        let over_network = table.names().filter(|name| !self.in_process.contains(name));
        let bar = |name| Some((name, table.median(name, |slice| slice.per_second)?));
        let mut bars: Vec<_> = over_network.filter_map(bar).collect();
        bars.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        bars
    }

    pub fn print(&self) {
        println!("\nmedians over the rounds; ratios are of the same round");
        println!("p50 and p99 of what answers from the process are of means over 64 hits");
        for size in SIZES {
            let bytes = json_bytes(size);
            println!("\n== hits on values of {bytes} bytes of JSON, async callers");
            print(&of_size(&self.of_tasks, size), Multiplexed::NAME);
            println!("\n== hits on values of {bytes} bytes of JSON, threads");
            print(&of_size(&self.of_threads, size), CachedThreads::NAME);
        }
    }

    pub fn rows(&self) -> Vec<Row> {
        let tables = self.of_tasks.iter().map(|table| ("tasks", table));
        let threads = self.of_threads.iter().map(|table| ("threads", table));
        tables
            .chain(threads)
            .flat_map(|(kind, table)| rows(kind, table))
            .collect()
    }
}

/// Medians of one contender in one table.
#[derive(Debug, Serialize)]
pub struct Row {
    callers_are: &'static str,
    size: Size,
    callers: usize,
    name: &'static str,
    hits_per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
    server_cpu_micros_per_hit: f64,
    bodies: u64,
}

fn rows(callers_are: &'static str, table: &Table) -> Vec<Row> {
    let row = |name| {
        let median = |of: fn(&Slice) -> f64| table.median(name, of).expect("it has a row");
        Row {
            callers_are,
            size: table.size,
            callers: table.callers,
            name,
            hits_per_second: median(|slice| slice.per_second),
            p50_micros: median(|slice| slice.p50_micros),
            p99_micros: median(|slice| slice.p99_micros),
            server_cpu_micros_per_hit: median(|slice| slice.probed),
            bodies: table.bodies(name),
        }
    };
    table.names().map(row).collect()
}

fn tables(
    server: &Server,
    contenders: &[&dyn Contender],
    widths: &[usize],
    effort: Effort,
    callers_are: &str,
) -> Vec<Table> {
    let mut tables = Vec::new();
    for size in SIZES {
        for &callers in widths {
            eprintln!("measuring {callers} {callers_are}, {size:?} values");
            let plan = Plan {
                size,
                keys: Keys::Stored,
                callers,
                rounds: effort.rounds,
                slice: effort.slice,
                probe: &|| server.cpu_micros(),
            };
            tables.push(Table::measure(contenders, &plan));
        }
    }
    tables
}

fn find(tables: &[Table], size: Size, callers: usize) -> &Table {
    let table = tables
        .iter()
        .find(|of| of.size == size && of.callers == callers);
    table.expect("every table of the lists above is measured")
}

fn of_size(tables: &[Table], size: Size) -> Vec<&Table> {
    tables.iter().filter(|table| table.size == size).collect()
}

/// `to` is whom the others are compared with.
fn print(tables: &[&Table], to: &str) {
    let median = |of: fn(&Slice) -> f64| move |table: &Table, name: &str| table.median(name, of);
    block(
        tables,
        "thousand hits a second",
        1,
        None,
        median(|slice| slice.per_second / 1e3),
    );
    block(tables, &format!("x {to}"), 2, None, |table, name| {
        table.ratio(name, to, |slice| slice.per_second)
    });
    block(
        tables,
        "p50 in us",
        1,
        None,
        median(|slice| slice.p50_micros),
    );
    block(
        tables,
        "p99 in us",
        1,
        None,
        median(|slice| slice.p99_micros),
    );
    block(
        tables,
        "server CPU per hit in us",
        2,
        None,
        median(|slice| slice.probed),
    );
    bodies(tables);
}

/// The figures of one contender, or of each.
pub(crate) fn block(
    tables: &[&Table],
    title: &str,
    digits: usize,
    only: Option<&str>,
    figure: impl Fn(&Table, &str) -> Option<f64>,
) {
    print!("\n{title:<28}");
    tables
        .iter()
        .for_each(|table| print!("{:>9}", table.callers));
    println!();
    let Some(first) = tables.first() else { return };
    let is_printed = |name: &&'static str| only.is_none_or(|only| only == *name);
    for name in first.names().filter(is_printed) {
        print!("{name:<28}");
        for table in tables {
            print!("{:>9.digits$}", figure(table, name).unwrap_or(f64::NAN));
        }
        println!();
    }
}

/// Said only where it happened: those calls were no hits, whatever the tables say.
fn bodies(tables: &[&Table]) {
    for table in tables {
        for name in table.names() {
            let bodies = table.bodies(name);
            if bodies > 0 {
                println!(
                    "no hits: {bodies} calls of {name} at {} ran a body",
                    table.callers
                );
            }
        }
    }
}
