//! A program without a runtime, whose slow answers outlive it: on a server the second run of the
//! program is fast, too. `REDIS_URL=redis://127.0.0.1 cargo run --example sync_cli -- 3000000`
//! Without `REDIS_URL` the answers live as long as the program; `forget` as a second argument forgets.
use std::env;
use std::error::Error;
use std::time::Instant;

use cache_runtime::{Cache, blocking, read_through};

/// How many primes there are below a limit, slowly.
#[read_through(ttl = "1d")]
fn primes_below(limit: u32) -> u32 {
    let is_prime = |n: &u32| {
        (2..)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    let count = (2..limit).filter(is_prime).count();
    u32::try_from(count).expect("there are fewer primes than numbers")
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let limit = arguments.next().unwrap_or_else(|| "1000000".to_owned());
    let limit = limit
        .parse::<u32>()
        .map_err(|_| format!("`{limit}` is no whole number"))?;

    let url = env::var("REDIS_URL").unwrap_or_else(|_| "memory://".to_owned());
    let cache = Cache::open(&url)?;
    cache.install()?;
    if let Err(error) = cache.blocking().ping() {
        // The program works all the same: each call runs its body.
        eprintln!("the cache cannot be used: {error}");
    }
    if arguments.next().as_deref() == Some("forget") {
        println!("{:?}", primes_below::invalidate(limit)?);
    }
    for _ in 0..2 {
        let start = Instant::now();
        let (count, seen) = blocking::observe(|| primes_below(limit));
        println!(
            "{count} primes below {limit} ({seen:?} in {:.1?})",
            start.elapsed()
        );
    }
    cache.blocking().shutdown();
    Ok(())
}
