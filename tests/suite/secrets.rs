//! A password reaches no text that a program may print.

use std::error::Error as _;

use cache_runtime::{Cache, Config, read_through};

use crate::support::Server;

const PASSWORD: &str = "pa55word-of-the-test";

fn told(error: &cache_runtime::Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn neither_debug_nor_an_error_shows_a_password() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let server = Server::start_with(&["--requirepass", "another"]);
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let mut texts = Vec::new();
    for user in ["", "somebody"] {
        let url = format!("redis://{user}:{PASSWORD}@127.0.0.1:{port}");
        let config = Config::new(&url);
        let cache = Cache::new(config.clone()).unwrap();
        let pool = cache.pool().unwrap();
        texts.push(format!(
            "{config:?} {config:#?} {cache:?} {pool:?} {:?}",
            pool.manager()
        ));
        let error = cache.ping().await.unwrap_err();
        assert_eq!(error.kind(), cache_runtime::ErrorKind::Refused);
        texts.push(told(&error));
        texts.push(told(&cache.invalidate("key").await.unwrap_err()));
        assert_eq!(cache.scope(square(3)).await, 9);
        texts.push(format!("{:?} {}", cache.stats(), cache.stats()));
    }
    for url in [
        format!("redis://:{PASSWORD}@127.0.0.1:not-a-port"),
        format!("rediss://:{PASSWORD}@127.0.0.1:not-a-port"),
        format!("wrong://:{PASSWORD}@127.0.0.1"),
        format!("user:{PASSWORD}"),
    ] {
        texts.push(told(&Cache::open(&url).unwrap_err()));
    }
    for text in texts {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn an_error_about_a_stored_value_does_not_quote_it() {
    let cache = Cache::in_memory();
    cache.set("key", "the stored value", None).await.unwrap();
    let error = cache.get::<u8>("key").await.unwrap_err();
    assert!(!told(&error).contains("stored value"), "{}", told(&error));
}
