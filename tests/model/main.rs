mod call;
mod companion;
mod flight;
mod loads;
mod near;
mod process;
mod redis;
mod reply;
mod rules;
mod scenarios;
mod stale;
mod world;
#[test]
#[ignore = "takes minutes"]
fn every_scenario() { scenarios::run(&[loads::ALL, stale::ALL, companion::ALL, near::ALL].concat()); }
