//! TLS to real servers, with certificates that are made here.

use std::time::Duration;

use cache_runtime::{Cache, Config, ErrorKind, read_through};

use crate::support::{Authority, Server};

#[read_through(name = "square", ttl = 60)]
async fn square(n: u64) -> u64 {
    n * n
}

#[read_through(name = "cube", ttl = 60)]
fn cube(n: u64) -> u64 {
    n * n * n
}

fn trusting(authority: &Authority, port: u16) -> Config {
    trusting_at(authority, format!("rediss://127.0.0.1:{port}"))
}

fn trusting_at(authority: &Authority, url: String) -> Config {
    // The handshakes of a debug build take their time on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(10);
    let config = Config::new(url).root_certificates(authority.pem());
    config.connect_timeout(PATIENCE).response_timeout(PATIENCE)
}

async fn stores_and_finds(cache: &Cache) {
    cache.ping().await.unwrap();
    for _ in 0..2 {
        assert_eq!(cache.scope(square(7)).await, 49);
        let _inside = cache.enter();
        assert_eq!(cube(2), 8);
    }
    let stats = cache.stats();
    for name in ["square", "cube"] {
        let of = stats.function(name).unwrap();
        assert_eq!((of.stored, of.hits, of.bypassed), (1, 1, 0), "{name}");
    }
}

/// Told to whoever asks, and nothing to whoever only calls.
async fn is_refused(config: Config) -> String {
    let cache = Cache::new(config).unwrap();
    let error = cache.ping().await.unwrap_err();
    assert_eq!(cache.scope(square(7)).await, 49);
    let stats = cache.stats();
    let of = stats.function("square").unwrap();
    assert_eq!((of.hits, of.stored, of.bypassed), (0, 0, 1));
    error.to_string()
}

#[tokio::test]
async fn a_server_with_a_certificate_of_an_own_authority_is_used() {
    let authority = Authority::new();
    let (server, port) = authority.serve("127.0.0.1", &[]);
    let cache = Cache::new(trusting(&authority, port)).unwrap();
    stores_and_finds(&cache).await;
    assert_eq!(server.cli(&["GET", "cache:square:7"]), "49");
    // The pool of the user's own commands goes the same way.
    let mut connection = cache.pool().unwrap().get().await.unwrap();
    let ping = redis::cmd("PING");
    let answer: String = ping.query_async(&mut connection).await.unwrap();
    assert_eq!(answer, "PONG");
}

#[tokio::test]
async fn a_configuration_file_may_name_the_file_of_the_authority() {
    let authority = Authority::new();
    let (_server, port) = authority.serve("127.0.0.1", &[]);
    let text = format!(
        r#"{{ "url": "rediss://127.0.0.1:{port}", "root_certificates": "{}" }}"#,
        authority.file()
    );
    let config: Config = serde_json::from_str(&text).unwrap();
    Cache::new(config).unwrap().ping().await.unwrap();
    let missing = text.replace("authority.pem", "nothing.pem");
    let error = serde_json::from_str::<Config>(&missing).unwrap_err();
    assert!(error.to_string().contains("nothing.pem"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (_server, port) = theirs.serve("127.0.0.1", &[]);
    let told = is_refused(trusting(&ours, port)).await;
    assert!(told.contains("no certificate that is trusted"), "{told}");
}

#[tokio::test]
async fn a_certificate_of_no_public_authority_is_refused() {
    let authority = Authority::new();
    let (_server, port) = authority.serve("127.0.0.1", &[]);
    let config = Config::new(format!("rediss://127.0.0.1:{port}"));
    let told = is_refused(config).await;
    assert!(told.contains("no certificate that is trusted"), "{told}");
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let authority = Authority::new();
    let (_server, port) = authority.serve("cache.example", &[]);
    let told = is_refused(trusting(&authority, port)).await;
    assert!(told.contains("name that it is called by"), "{told}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_refused() {
    let authority = Authority::new();
    let server = Server::start();
    is_refused(trusting(&authority, server.port())).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_ours() {
    let authority = Authority::new();
    let (_server, port) = authority.serve("127.0.0.1", &["--tls-auth-clients", "yes"]);
    is_refused(trusting(&authority, port)).await;
    let (certificate, key) = authority.certify("app");
    let config = trusting(&authority, port).client_certificate(certificate, key);
    stores_and_finds(&Cache::new(config).unwrap()).await;
}

#[test]
fn what_cannot_be_right_is_told_before_anything_connects() {
    let authority = Authority::new();
    let told = |config: Config| {
        let error = Cache::new(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let rediss = || Config::new("rediss://127.0.0.1");
    let plain = Config::new("redis://127.0.0.1").root_certificates(authority.pem());
    assert!(told(plain).contains("`rediss://`"));
    let empty = rediss().root_certificates("no certificate");
    assert!(told(empty).contains("BEGIN CERTIFICATE"));
    let (certificate, key) = authority.certify("app");
    let swapped = rediss().client_certificate(key.clone(), certificate.clone());
    assert!(told(swapped).contains("BEGIN CERTIFICATE"));
    let unchecked = Config::new("rediss://127.0.0.1/#insecure");
    assert!(told(unchecked).contains("not switched off"));
    let half = &certificate[..certificate.len() / 2];
    let torn = rediss().client_certificate(half, key);
    assert!(told(torn).contains("cannot be read"));
}

#[cfg(all(feature = "sentinel", feature = "tls-rustls"))]
#[tokio::test]
async fn sentinels_and_their_master_are_spoken_to_by_tls() {
    use crate::support::Sentinel;

    let authority = Authority::new();
    let replication = ["--tls-replication", "yes"];
    let (master, port) = authority.serve("127.0.0.1", &replication);
    let of_master = port.to_string();
    let more = [&replication[..], &["--replicaof", "127.0.0.1", &of_master]].concat();
    let (replica, _) = authority.serve("127.0.0.1", &more);
    let own_port = crate::support::free_port();
    let lines: String = [
        authority.arguments("127.0.0.1", own_port),
        replication.map(str::to_owned).to_vec(),
    ]
    .concat()
    .chunks(2)
    .map(|option| format!("{} {}\n", &option[0][2..], option[1]))
    .collect();
    let _sentinel = Sentinel::watching(master, replica, port, &lines);
    let url = format!("rediss+sentinel://127.0.0.1:{own_port}/main");
    stores_and_finds(&Cache::new(trusting_at(&authority, url)).unwrap()).await;
}

#[cfg(all(feature = "cluster", feature = "tls-rustls"))]
#[tokio::test]
async fn the_nodes_of_a_cluster_are_spoken_to_by_tls() {
    use crate::support::{Cluster, free_port};

    let authority = Authority::new();
    let ports: Vec<_> = (0..3).map(|_| free_port()).collect();
    let arguments: Vec<_> = ports
        .iter()
        .map(|port| {
            let more = ["--tls-cluster", "yes", "--tls-replication", "yes"];
            [
                authority.arguments("127.0.0.1", *port),
                more.map(str::to_owned).to_vec(),
            ]
            .concat()
        })
        .collect();
    let places: Vec<_> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let by_tls = ["--tls".to_owned(), "--cacert".to_owned(), authority.file()];
    let _cluster = Cluster::of(&arguments, &places, &by_tls);
    let url = format!("rediss+cluster://{}", places.join(","));
    let cache = Cache::new(trusting_at(&authority, url)).unwrap();
    stores_and_finds(&cache).await;
    for n in 0..32 {
        assert_eq!(cache.scope(square(n)).await, n * n);
    }
    assert_eq!(cache.stats().function("square").unwrap().bypassed, 0);
}
