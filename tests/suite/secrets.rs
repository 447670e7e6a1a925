//! A password reaches no text that a program may print.

use std::error::Error as _;

use cache_runtime::{Cache, Config, read_through};

use crate::support::{Server, in_own_process, is_own_process};

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
        format!("redis://{PASSWORD}#{PASSWORD}@127.0.0.1"),
        format!("redis://127.0.0.1/{PASSWORD}"),
        format!("redis+cluster://{PASSWORD}:{PASSWORD}@127.0.0.1:not-a-port"),
        format!("redis+sentinel://:{PASSWORD}@127.0.0.1:1"),
        format!("redis+sentinel://127.0.0.1:no/main?sentinel_password={PASSWORD}"),
        format!("wrong://:{PASSWORD}@127.0.0.1"),
        format!("user:{PASSWORD}"),
    ] {
        texts.push(told(&Cache::open(&url).unwrap_err()));
    }
    for text in texts {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

/// Where the feature is off, the URL is refused, which must not show it either.
#[tokio::test]
async fn no_form_of_url_shows_its_user_or_its_passwords() {
    const USER: &str = "us3r-of-the-test";
    let login = format!("{USER}:{PASSWORD}@127.0.0.1:1");
    for url in [
        format!("redis://{login}"),
        format!("rediss://{login}"),
        format!("redis+unix:///nowhere?user={USER}&pass={PASSWORD}"),
        format!("redis+cluster://{login},127.0.0.1:2"),
        format!("rediss+cluster://{login}"),
        format!(
            "redis+sentinel://{login},127.0.0.1:2/main/1?sentinel_username={USER}&sentinel_password={PASSWORD}"
        ),
        format!("rediss+sentinel://{login}/main?sentinel_password={PASSWORD}"),
    ] {
        let config = Config::new(&url);
        let mut texts = vec![format!("{config:?} {config:#?}")];
        match Cache::new(config) {
            Ok(cache) => {
                texts.push(format!("{cache:?}"));
                texts.push(told(&cache.ping().await.unwrap_err()));
                // The pool is another library's, which hides the password only.
                let pool = format!("{:?}", cache.pool());
                assert!(!pool.contains(PASSWORD), "{pool}");
            }
            Err(error) => texts.push(told(&error)),
        }
        for text in texts {
            assert!(!text.contains(PASSWORD) && !text.contains(USER), "{text}");
        }
    }
}

#[test]
fn nothing_shows_a_key_of_tls() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{PASSWORD}\n-----END PRIVATE KEY-----\n");
    let certificate = key.replace("PRIVATE KEY", "CERTIFICATE");
    let config = Config::new("rediss://127.0.0.1:1")
        .root_certificates(certificate.clone())
        .client_certificate(certificate, key);
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    // It is no key, or there is no TLS.
    let told = told(&Cache::new(config).unwrap_err());
    assert!(!told.contains(PASSWORD), "{told}");
    let file = format!(r#"{{"url": "rediss://h", "root_certificates": "{PASSWORD}"}}"#);
    // What is no PEM text is a path, which the error must name.
    let error = serde_json::from_str::<Config>(&file).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

const LOGS: &str = "secrets::no_log_shows_a_password_or_a_value";

/// Of a server that refuses one thing after the other.
#[test]
fn no_log_shows_a_password_or_a_value() {
    const VALUE: &str = "the-va1ue-itself";

    #[read_through(ttl = 60)]
    async fn value(n: u64) -> String {
        format!("{VALUE}-{n}")
    }

    if !is_own_process(LOGS) {
        let printed = in_own_process(LOGS, &[]);
        assert!(printed.contains("WARN"), "nothing was logged: {printed}");
        assert!(!printed.contains(PASSWORD), "{printed}");
        assert!(!printed.contains(VALUE), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let password = format!(">{PASSWORD}");
    let user = [
        "--user", "app", "on", &password, "~*", "+@all", "-eval", "-evalsha",
    ];
    let mut server = Server::start_with(&user);
    let url = format!("redis://app:{PASSWORD}@127.0.0.1:{}", server.port());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cache = Cache::open(&url).unwrap();
        let _listening = cache.on_event(|event| {
            let shown = format!("{event:?}");
            assert!(
                !shown.contains(VALUE) && !shown.contains(PASSWORD),
                "{shown}"
            );
        });
        let list = value::key(3);
        for (n, command) in [
            ["PING"].as_slice(),
            &["CONFIG", "SET", "maxmemory", "1"],
            &["ACL", "SETUSER", "app", "-set", "-setex"],
            &["LPUSH", &list, "x"],
        ]
        .into_iter()
        .enumerate()
        {
            server.cli(command);
            for _ in 0..2 {
                assert!(cache.scope(value(n as u64)).await.starts_with(VALUE));
            }
            let _ = cache.scope(value::put(n as u64, &VALUE.to_owned())).await;
        }
        server.kill();
        cache.scope(value(9)).await;
        let _ = cache.scope(value::invalidate(9)).await;
    });
}

#[tokio::test]
async fn an_error_about_a_stored_value_does_not_quote_it() {
    let cache = Cache::in_memory();
    cache.set("key", "the stored value", None).await.unwrap();
    let error = cache.get::<u8>("key").await.unwrap_err();
    assert!(!told(&error).contains("stored value"), "{}", told(&error));
}
