//! Two caches in one program: sessions on a server of their own, everything else in the installed
//! one, and a third one for the calls inside a scope.
//! `SESSIONS_URL=redis://127.0.0.1/1 REDIS_URL=redis://127.0.0.1/0 cargo run --example two_caches`
//! Each of them is in memory if its variable is not set.
use std::env;
use std::sync::LazyLock;

use cache_runtime::{Cache, Config, observe, read_through};

/// With a prefix of its own, by which keys and metrics are told apart.
static SESSIONS: LazyLock<Cache> = LazyLock::new(|| cache("SESSIONS_URL", "sessions"));

fn cache(variable: &str, prefix: &str) -> Cache {
    let url = env::var(variable).unwrap_or_else(|_| "memory://".to_owned());
    let cache = Cache::new(Config::new(url).prefix(prefix));
    cache.unwrap_or_else(|error| panic!("{variable}: {error}"))
}

#[read_through(key = "token", ttl = "30m", cache = &SESSIONS)]
async fn session(token: &str) -> String {
    format!("session of {token}")
}

#[read_through(ttl = "1h")]
async fn article(id: u64) -> String {
    format!("article {id}")
}

async fn page(visitor: &str) {
    let (_, of_session) = observe(session("abc")).await;
    let (_, of_article) = observe(article(7)).await;
    println!("{visitor:14} session: {of_session:?}, article: {of_article:?}");
}

#[tokio::main]
async fn main() -> Result<(), cache_runtime::Error> {
    let installed = cache("REDIS_URL", "shop");
    installed.install()?;
    session::invalidate("abc").await?;
    article::invalidate(7).await?;

    println!("{}\n{}\n", session::key("abc"), article::key(7));
    page("first").await;
    page("second").await;
    // A scope is stronger than either: a preview, a tenant, a test.
    Cache::in_memory().scope(page("in a preview")).await;

    println!("\nsessions\n{}", SESSIONS.stats());
    println!("\ninstalled\n{}", installed.stats());
    SESSIONS.shutdown().await;
    installed.shutdown().await;
    Ok(())
}
