//! Both sides of one key: what this program caches, a program in Python reads, replaces and deletes.
//! `python3 -m venv target/venv && target/venv/bin/pip install redis`
//! `REDIS_URL=redis://127.0.0.1 PYTHON=target/venv/bin/python cargo run --example python`
use std::env;
use std::error::Error;
use std::process::Command;

use cache_runtime::{Cache, Config, observe, read_through};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
struct Profile {
    name: String,
    points: u32,
}

// With a name of its own the key does not change when the function moves: `shared:profile:7`.
#[read_through(name = "profile", key = "id", ttl = "10m")]
async fn profile(id: u64) -> Profile {
    Profile {
        name: format!("user {id}"),
        points: 1,
    }
}

async fn call() {
    let (profile, seen) = observe(profile(7)).await;
    println!("rust    {seen:8} {profile:?}", seen = format!("{seen:?}"));
}

fn python(verb: &str) -> Result<(), Box<dyn Error>> {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/profile.py");
    let status = Command::new(python).args([program, verb, "7"]).status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{program} {verb} 7: {status}").into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").map_err(|_| "set REDIS_URL: this example needs a server")?;
    let cache = Cache::new(Config::new(url).prefix("shared"))?;
    cache.install()?;
    profile::invalidate(7).await?;

    python("read")?; // nothing is there
    call().await; // loads and stores
    python("read")?;
    python("write")?;
    call().await; // what Python wrote
    python("delete")?;
    call().await; // loads again
    cache.shutdown().await;
    Ok(())
}
