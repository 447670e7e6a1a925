//! What the figures depend on.

use std::collections::BTreeMap;

use serde::Serialize;

/// The packages of this run, exactly.
const LOCK: &str = include_str!("../Cargo.lock");

const NAMED: [&str; 9] = [
    "cache-runtime",
    "redis",
    "cached",
    "hitbox",
    "hitbox-redis",
    "deadpool-redis",
    "moka",
    "quick_cache",
    "tokio",
];

#[derive(Debug, Serialize)]
pub struct Facts {
    pub cores: usize,
    /// How much else the machine did when the run began: processes that ran or waited to, over a
    /// minute. None where the system does not tell.
    pub load_before: Option<f64>,
    pub redis_server: String,
    pub packages: BTreeMap<&'static str, &'static str>,
}

impl Facts {
    pub fn collect(redis_server: String) -> Self {
        let packages = NAMED.iter().filter_map(|name| Some((*name, locked(name)?)));
        Self {
            cores: cores(),
            load_before: load(),
            redis_server,
            packages: packages.collect(),
        }
    }

    pub fn print(&self) {
        let load = self
            .load_before
            .map(|load| format!(", load before the run {load}"));
        let (place, load) = (self.place(), load.unwrap_or_default());
        println!("{place}{load}");
        println!("redis-server {} on loopback", self.redis_server);
        println!("{}", self.packages());
    }

    /// Where everything ran.
    pub fn place(&self) -> String {
        let plural = if self.cores == 1 { "" } else { "s" };
        let cores = self.cores;
        format!("{cores} core{plural} for callers and server together")
    }

    pub fn packages(&self) -> String {
        let shown = |(name, version): (&&str, &&str)| format!("{name} {version}");
        let packages: Vec<_> = self.packages.iter().map(shown).collect();
        packages.join(", ")
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn locked(name: &str) -> Option<&'static str> {
    let (_, after) = LOCK.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}
