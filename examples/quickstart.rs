//! One cached function, no server: `cargo run --example quickstart`
//! On a server: `REDIS_URL=redis://127.0.0.1 cargo run --example quickstart`
use std::time::{Duration, Instant};

use cache_runtime::{Cache, observe, read_through};

#[read_through(key = "user_id", ttl = 60)]
async fn load_user(user_id: u64) -> String {
    tokio::time::sleep(Duration::from_millis(40)).await; // the slow part
    format!("user {user_id}")
}

#[tokio::main]
async fn main() -> Result<(), cache_runtime::Error> {
    let url = std::env::var("REDIS_URL").unwrap_or("memory://".into());
    Cache::open(&url)?.install()?;
    for call in ["first", "second"] {
        let start = Instant::now();
        let (user, seen) = observe(load_user(7)).await;
        println!("{call:6} call: {user} {seen:?} in {:.1?}", start.elapsed());
    }
    Ok(())
}
