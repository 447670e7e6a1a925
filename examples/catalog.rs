//! Two slow queries over a real database, cached: one behind a sync function, one behind an async
//! one. Builds a SQLite file of 200,000 sales on its first run.
//!
//! `cargo run --release --example catalog`, with `REDIS_URL` set on that server.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

const SALES: u32 = 200_000;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Seller {
    product: String,
    sold: i64,
    cents: i64,
}

/// The products that brought in most in a category.
#[read_through(key = "category", ttl = 60)]
fn best_sellers(file: &Path, category: &str) -> rusqlite::Result<Vec<Seller>> {
    let database = Connection::open(file)?;
    let mut query = database.prepare(
        "SELECT product, SUM(quantity), SUM(quantity * cents) AS total FROM sales
         WHERE category = ?1 GROUP BY product ORDER BY total DESC, product LIMIT 3",
    )?;
    let sellers = query.query_map([category], |row| {
        Ok(Seller {
            product: row.get(0)?,
            sold: row.get(1)?,
            cents: row.get(2)?,
        })
    })?;
    sellers.collect()
}

/// What each category brought in on days when more than so much was sold.
#[read_through(key = "at_least", ttl = "10m")]
async fn revenue(file: PathBuf, at_least: u32) -> Result<Vec<(String, i64)>, Box<dyn Error>> {
    let query = move || -> rusqlite::Result<_> {
        let database = Connection::open(file)?;
        let mut query = database.prepare(
            "SELECT category, SUM(total) FROM (
                 SELECT category, SUM(quantity * cents) AS total FROM sales
                 GROUP BY category, day HAVING SUM(quantity) >= ?1
             ) GROUP BY category ORDER BY category",
        )?;
        let rows = query.query_map([at_least], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    // SQLite blocks its thread, so it gets one of the runtime's pool for that.
    Ok(tokio::task::spawn_blocking(query).await??)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "memory://".to_owned());
    let cache = Cache::open(&url)?;
    cache.install()?;
    let file = database()?;

    println!("{:32} {:>10} {:>10}", "query", "cold", "warm");
    for category in ["books", "music"] {
        best_sellers::invalidate(category)?;
        let (cold, first) = timed(async || best_sellers(&file, category)).await?;
        let (warm, second) = timed(async || best_sellers(&file, category)).await?;
        assert_eq!(first, second);
        print_row(&format!("best_sellers({category})"), cold, warm);
    }
    for at_least in [500, 900] {
        revenue::invalidate(at_least).await?;
        let (cold, first) = timed(async || revenue(file.clone(), at_least).await).await?;
        let (warm, second) = timed(async || revenue(file.clone(), at_least).await).await?;
        assert_eq!(first, second);
        print_row(&format!("revenue({at_least})"), cold, warm);
    }

    println!("\nstored:");
    show(&cache, &best_sellers::key("books")).await?;
    show(&cache, &revenue::key(500)).await?;
    println!("\n{}", cache.stats());
    cache.shutdown().await;
    Ok(())
}

async fn timed<T, E>(call: impl AsyncFnOnce() -> Result<T, E>) -> Result<(Duration, T), E> {
    let start = Instant::now();
    let value = call().await?;
    Ok((start.elapsed(), value))
}

fn print_row(query: &str, cold: Duration, warm: Duration) {
    println!("{query:32} {cold:>10.1?} {warm:>10.1?}");
}

/// The key, its value and its time to live, as another program on the server sees them.
async fn show(cache: &Cache, key: &str) -> Result<(), Box<dyn Error>> {
    let (value, ttl) = match cache.pool() {
        Some(pool) => {
            let mut connection = pool.get().await?;
            let (value, ttl): (String, i64) = redis::pipe()
                .get(key)
                .ttl(key)
                .query_async(&mut connection)
                .await?;
            (value, format!("{ttl} s"))
        }
        None => {
            let value: Option<serde_json::Value> = cache.get(key).await?;
            (
                value.unwrap_or_default().to_string(),
                "in memory".to_owned(),
            )
        }
    };
    println!("  {key}\n    {value}\n    ttl: {ttl}");
    Ok(())
}

/// The path of the database, which is built if it is not there or not whole.
fn database() -> rusqlite::Result<PathBuf> {
    let file = std::env::temp_dir().join("cache-runtime-catalog.sqlite");
    let mut database = Connection::open(&file)?;
    let count = "SELECT COUNT(*) FROM sales";
    if database.query_row(count, [], |row| row.get(0)) == Ok(SALES) {
        return Ok(file);
    }
    let start = Instant::now();
    let transaction = database.transaction()?;
    transaction.execute_batch(
        "DROP TABLE IF EXISTS sales;
         CREATE TABLE sales (day INTEGER, category TEXT, product TEXT, quantity INTEGER, cents INTEGER);",
    )?;
    {
        let mut insert = transaction.prepare("INSERT INTO sales VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for sale in 0..SALES {
            // Fixed steps through the ranges: the same data on every machine.
            let category = ["books", "films", "games", "music"][sale as usize % 4];
            let product = format!("{category}-{:03}", sale.wrapping_mul(2_654_435_761) % 500);
            let (day, quantity) = (sale % 365, 1 + sale * 7 % 9);
            insert.execute(params![
                day,
                category,
                product,
                quantity,
                199 + sale * 31 % 5000
            ])?;
        }
    }
    transaction.commit()?;
    println!("built {SALES} sales in {:.1?}\n", start.elapsed());
    Ok(file)
}
