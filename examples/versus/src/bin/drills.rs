//! `cargo run --release --bin drills`: what faults of the server do to the callers of this crate and
//! of its peers. With words, those drills whose name holds one of them.

use std::process::ExitCode;

use tokio::runtime::Runtime;
use versus::drills::{callers, leader};
use versus::facts::Facts;
use versus::server::Server;
use versus::worker::WORKER;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [worker, role, contender, url] = arguments.as_slice()
        && worker == WORKER
    {
        let runtime = Runtime::new().expect("a runtime can be started");
        let work = match role.as_str() {
            leader::LEADER => leader::lead,
            leader::FOLLOWERS => leader::follow,
            _ => callers::work,
        };
        work(runtime.handle(), contender, url);
        return ExitCode::SUCCESS;
    }
    Facts::collect(Server::start().version()).print();
    if versus::drills::run(&arguments) {
        return ExitCode::SUCCESS;
    }
    eprintln!("no drill is called so; without words all of them run");
    ExitCode::FAILURE
}
