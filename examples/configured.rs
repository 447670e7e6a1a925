//! The cache's configuration as a part of the program's own: from a file, and over it from the
//! environment. `cargo run --example configured`, or with a variable for any field:
//! `SHOP_CACHE__URL=redis://127.0.0.1 SHOP_CACHE__RESPONSE_TIMEOUT=50ms cargo run --example configured`
use cache_runtime::{Cache, observe, read_through};
use config::{ConfigError, Environment, File, FileFormat};
use serde::Deserialize;

/// What would stand in `shop.toml`.
const FILE: &str = r#"
listen = "127.0.0.1:8080"

[cache]
url = "memory://"
prefix = "shop"
connect_timeout = "1s"
retry = 30
"#;

#[derive(Debug, Deserialize)]
struct Settings {
    listen: String,
    cache: cache_runtime::Config,
}

fn settings(file: &str) -> Result<Settings, ConfigError> {
    config::Config::builder()
        .add_source(File::from_str(file, FileFormat::Toml))
        // `SHOP_CACHE__POOL_SIZE` is the field `pool_size` of `cache`.
        .add_source(
            Environment::with_prefix("SHOP")
                .prefix_separator("_")
                .separator("__"),
        )
        .build()?
        .try_deserialize()
}

#[read_through(ttl = "1h")]
async fn price(article: u64) -> u64 {
    article * 199
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings(FILE)?;
    println!("listen on {}", settings.listen);
    println!("{:#?}", settings.cache); // no password is shown

    let cache = Cache::new(settings.cache)?;
    cache.install()?;
    println!("\n{}", price::key(7));
    for _ in 0..2 {
        let (cents, seen) = observe(price(7)).await;
        println!("  {cents} cents, {seen:?}");
    }

    println!("\nwhat a slip in the file is told:");
    for (right, slip) in [("retry", "rety"), ("\"1s\"", "\"1\"")] {
        match self::settings(&FILE.replace(right, slip)) {
            Ok(_) => println!("  nothing"),
            Err(error) => println!("  {error}"),
        }
    }
    cache.shutdown().await;
    Ok(())
}
