//! The same functions on a Redis Cluster, found by any of its nodes:
//! `CLUSTER_URL=redis+cluster://127.0.0.1:7000,127.0.0.1:7001 cargo run --features cluster --example cluster`
//! Without `CLUSTER_URL` it says so and goes on in memory.
use std::env;
use std::time::Instant;

use cache_runtime::{Cache, Config, read_through};

const USERS: u64 = 300;

#[read_through(ttl = 60)]
async fn load_user(id: u64) -> String {
    format!("user {id}")
}

#[tokio::main]
async fn main() -> Result<(), cache_runtime::Error> {
    let url = env::var("CLUSTER_URL").unwrap_or_else(|_| {
        println!("CLUSTER_URL is not set, so this runs in memory; a cluster is given like");
        println!("CLUSTER_URL=redis+cluster://127.0.0.1:7000,127.0.0.1:7001\n");
        "memory://".to_owned()
    });
    // The prefix must not hold braces: they would put all keys on one node.
    let cache = Cache::new(Config::new(url).prefix("app"))?;
    cache.install()?;
    if let Err(error) = cache.ping().await {
        println!("the cluster does not answer: {error}; each call runs its body\n");
    }

    for pass in ["cold", "warm"] {
        let start = Instant::now();
        for id in 0..USERS {
            load_user(id).await;
        }
        println!("{USERS} users, {pass}: {:.1?}", start.elapsed());
    }
    println!("user 7 is gone: {:?}", load_user::invalidate(7).await?);
    println!("\n{}", cache.stats());
    cache.shutdown().await;
    Ok(())
}
