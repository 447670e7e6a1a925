use super::*;

fn refused(url: &str) -> String {
    let Err(error) = read(url) else {
        panic!("`{url}` is accepted");
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

/// Needs a feature exactly where it is off.
fn needs(feature: &str, is_on: bool, url: &str) {
    if is_on {
        assert!(read(url).is_ok(), "{url}");
    } else {
        let told = refused(url);
        let scheme = url.split_once("://").unwrap().0;
        assert!(told.contains(&format!("`{scheme}://`")), "{told}");
        assert!(told.contains(&format!("`{feature}`")), "{told}");
    }
}

#[test]
fn a_scheme_whose_feature_is_missing_is_refused_by_the_name_of_the_feature() {
    let has_tls = cfg!(any(feature = "tls-rustls", feature = "tls-native"));
    let (sentinel, cluster) = (cfg!(feature = "sentinel"), cfg!(feature = "cluster"));
    needs("sentinel", sentinel, "redis+sentinel://h:1,h:2/main");
    needs("cluster", cluster, "redis+cluster://h:1,h:2");
    needs("tls-rustls", has_tls, "rediss://h");
    needs("tls-native", has_tls, "rediss://h");
    if !has_tls {
        needs("tls-rustls", false, "rediss+sentinel://h/main");
        needs("tls-rustls", false, "rediss+cluster://h");
    }
}

#[test]
fn a_scheme_that_nobody_knows_is_refused_by_those_that_are_known() {
    for url in [
        "http://h",
        "rediss+unix:///s",
        "redisss://h",
        "redis+redis://h",
    ] {
        assert!(refused(url).contains("`redis+cluster://`"), "{url}");
    }
    assert!(refused("h:6379").contains("no scheme"));
    assert!(refused("redis").contains("no scheme"));
    assert!(refused("http://h").contains("`unix://`"));
    assert!(read("unix:///s").is_ok());
    assert!(refused("memory://h").contains("write `memory://`"));
}

#[test]
fn what_stands_where_it_means_nothing_is_refused() {
    assert!(refused("redis://h:1,h:2").contains("`redis+cluster://`"));
    assert!(refused("redis://:a#b@h").contains("`%23`"));
    assert!(refused("redis://h/#insecure").contains("not switched off"));
}

#[test]
fn the_part_that_is_wrong_is_named_and_not_told() {
    for (url, part) in [
        ("redis://h:pa55word", "the port"),
        ("redis://h:65536", "the port"),
        ("redis://h:-1/3", "the port"),
        ("redis://:pa55word/x@h", "no host"),
        ("redis://", "no host"),
        ("redis://:6379", "no host"),
        ("redis://h/pa55word", "the database"),
        ("redis://h/-1", "the database"),
        ("redis://h/2147483648", "the database"),
        ("redis://h/99999999999999999999", "the database"),
        ("redis+unix:///s?db=x", "the database"),
        ("redis+unix:///s?db=", "the database"),
        ("redis+unix:///s?db=-1", "the database"),
        ("redis+unix:///s?db=2147483648", "the database"),
        ("redis+unix://pa55word/s", "the path"),
        ("redis://pa55 word", "the host"),
        ("redis://::1", "the host"),
        ("redis://0.0.0.0", "the host"),
        ("redis://:%ff@h", "the password"),
    ] {
        let told = refused(url);
        assert!(told.contains(part), "{url}: {told}");
        assert!(!told.contains("pa55"), "{told}");
    }
    for url in ["redis://h/2147483647", "redis://[::1]:7/3/", "redis://h:"] {
        assert!(read(url).is_ok(), "{url}");
    }
}

#[test]
fn slashes_that_are_missing_are_missed() {
    for (url, told) in [
        ("redis:/127.0.0.1", "`redis://host:port`"),
        ("redis:127.0.0.1:6379", "`redis://host:port`"),
        ("redis+unix:/s", "`redis+unix:///path/to/socket`"),
    ] {
        let error = refused(url);
        assert!(error.contains("two slashes are missing"), "{url}: {error}");
        assert!(error.contains(told), "{url}: {error}");
    }
}

#[test]
fn what_a_query_holds_is_known_or_refused_and_not_told() {
    for (url, known) in [
        ("redis://h?db=3", "`protocol`"),
        ("redis://h/3?pa55word=", "`protocol`"),
        ("redis://h?protocl=resp3", "`protocol`"),
        ("redis://u:a?pa55word@h", "`%3F`"),
        ("redis+unix:///s?database=3", "`db`, `user`, `pass`"),
        ("redis+unix:///s?pass=a&pa55word", "`%26`"),
    ] {
        let told = refused(url);
        assert!(told.contains(known), "{url}: {told}");
        assert!(!told.contains("pa55word"), "{told}");
    }
    for url in ["redis://h?protocol=resp4", "redis+unix:///s?protocol=RESP3"] {
        assert!(refused(url).contains("`resp3`"), "{url}");
    }
    for url in [
        "redis://h?protocol=3",
        "redis://h?",
        "redis+unix:///s?db=1&protocol=resp2",
    ] {
        assert!(read(url).is_ok(), "{url}");
    }
}

#[test]
fn a_socket_that_cannot_be_right_is_told_what_one_looks_like() {
    for url in [
        "redis+unix://",
        "redis+unix://relative/s",
        "redis+unix:///s?db=x",
    ] {
        assert!(refused(url).contains("`redis+unix:///path"), "{url}");
    }
}

#[cfg(feature = "sentinel")]
#[test]
fn sentinels_have_their_own_port_and_login_and_the_master_has_the_rest() {
    let url = "redis+sentinel://app:a%40b@one,two:7,[::1]/main-1/3\
               ?protocol=resp3&sentinel_username=u&sentinel_password=p%26";
    let Ok(Address::Sentinels(watched)) = read(url) else {
        panic!("it is refused");
    };
    assert_eq!(watched.name, "main-1");
    let places: Vec<_> = watched
        .sentinels
        .iter()
        .map(|of| of.addr().to_string())
        .collect();
    assert_eq!(places, ["one:26379", "two:7", "::1:26379"]);
    for sentinel in &watched.sentinels {
        let asked = sentinel.redis_settings();
        assert_eq!(
            (asked.username(), asked.password()),
            (Some("u"), Some("p&"))
        );
        assert_eq!(asked.db(), 0);
    }
    let told = watched.master.redis_settings();
    assert_eq!(
        (told.username(), told.password()),
        (Some("app"), Some("a@b"))
    );
    assert_eq!(told.db(), 3);
    assert_eq!(told.protocol(), redis::ProtocolVersion::RESP3);
}

#[cfg(feature = "sentinel")]
#[test]
fn sentinels_are_asked_for_a_master_by_its_name() {
    for url in [
        "redis+sentinel://h",
        "redis+sentinel://h/",
        "redis+sentinel://h/a b",
    ] {
        assert!(refused(url).contains("name the master"), "{url}");
    }
    assert!(refused("redis+sentinel://h/main/first").contains("the database"));
}

#[cfg(feature = "cluster")]
#[test]
fn each_node_of_a_cluster_has_the_login_and_the_query() {
    let Ok(Address::Cluster(nodes)) = read("redis+cluster://:p@a:1,b:2/?protocol=resp3") else {
        panic!("it is refused");
    };
    let places: Vec<_> = nodes.iter().map(|of| of.addr().to_string()).collect();
    assert_eq!(places, ["a:1", "b:2"]);
    for node in nodes {
        let told = node.redis_settings();
        assert_eq!(told.password(), Some("p"));
        assert_eq!(told.protocol(), redis::ProtocolVersion::RESP3);
    }
}
