//! What a URL names: one server, sentinels that know where it is, or the nodes of a cluster.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::config::is_scheme;
use crate::error::{Error, ErrorKind};

pub(super) enum Address {
    One(Box<ConnectionInfo>),
    #[cfg(feature = "sentinel")]
    Sentinels(Box<Watched>),
    #[cfg(feature = "cluster")]
    Cluster(Vec<ConnectionInfo>),
}

/// A master and the sentinels that watch it.
#[cfg(feature = "sentinel")]
pub(super) struct Watched {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) name: String,
    /// What the master is told at a connection's start. The place in it is a sentinel's.
    pub(super) master: ConnectionInfo,
}

/// What a scheme stands for.
struct Scheme {
    form: Form,
    is_tls: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    One,
    Socket,
    Sentinels,
    Cluster,
}

pub(super) fn read(url: &str) -> Result<Address, Error> {
    let Some((name, rest)) = url.split_once("://") else {
        return Err(wrong(
            "the URL has no scheme; write `redis://host:port`, or `memory://` for no server",
        ));
    };
    let scheme = scheme(name)?;
    check_features(name, &scheme)?;
    if scheme.form == Form::Socket {
        return Ok(Address::One(Box::new(socket(url)?)));
    }
    if rest.contains('#') {
        return Err(wrong(
            "the URL holds a `#`; a password has it as `%23`, and there is nothing else to say \
             there: the checks of TLS are not switched off",
        ));
    }
    let parts = Parts::of(rest, if scheme.is_tls { "rediss" } else { "redis" });
    Ok(match scheme.form {
        #[cfg(feature = "sentinel")]
        Form::Sentinels => Address::Sentinels(Box::new(parts.watched()?)),
        #[cfg(feature = "cluster")]
        Form::Cluster => Address::Cluster(parts.nodes()?),
        _ => Address::One(Box::new(parts.one()?)),
    })
}

fn scheme(name: &str) -> Result<Scheme, Error> {
    let plain = name.replacen("rediss", "redis", 1);
    let form = match plain.as_str() {
        "redis" => Form::One,
        "redis+unix" | "unix" => Form::Socket,
        "redis+sentinel" => Form::Sentinels,
        "redis+cluster" => Form::Cluster,
        "memory" => {
            return Err(wrong(
                "the in-memory store has no address; write `memory://`",
            ));
        }
        _ => return Err(unknown(name)),
    };
    let is_tls = plain != name;
    if is_tls && form == Form::Socket {
        return Err(unknown(name));
    }
    Ok(Scheme { form, is_tls })
}

fn unknown(scheme: &str) -> Error {
    let shown = match is_scheme(scheme) {
        true => format!("`{scheme}://`"),
        false => "at the beginning of the URL".to_owned(),
    };
    wrong(format!(
        "unknown scheme {shown}; known are `redis://`, `redis+unix://`, \
         `redis+sentinel://`, `redis+cluster://`, with TLS `rediss://`, `rediss+sentinel://`, \
         `rediss+cluster://`, and `memory://`"
    ))
}

/// One error that names every feature which the scheme needs and this build has not.
fn check_features(name: &str, scheme: &Scheme) -> Result<(), Error> {
    let has_tls = cfg!(any(feature = "tls-rustls", feature = "tls-native"));
    let missing: Vec<_> = [
        (
            scheme.form == Form::Sentinels && !cfg!(feature = "sentinel"),
            "the feature `sentinel`",
        ),
        (
            scheme.form == Form::Cluster && !cfg!(feature = "cluster"),
            "the feature `cluster`",
        ),
        (
            scheme.is_tls && !has_tls,
            "one of the features `tls-rustls` and `tls-native`",
        ),
    ]
    .into_iter()
    .filter_map(|(is_missing, feature)| is_missing.then_some(feature))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" and ");
    Err(wrong(format!(
        "`{name}://` needs {missing} of cache-runtime"
    )))
}

/// `user:password@host:port,host:port/path?query`, with nothing of it decoded yet.
struct Parts<'a> {
    scheme: &'static str,
    /// With its `@`.
    login: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str, scheme: &'static str) -> Self {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        Self {
            scheme,
            login,
            hosts: hosts.split(',').collect(),
            path,
            query,
        }
    }

    fn one(&self) -> Result<ConnectionInfo, Error> {
        let [host] = self.hosts[..] else {
            return Err(wrong(format!(
                "the URL names several hosts; write `{0}+cluster://` for the nodes of a cluster, \
                 or `{0}+sentinel://host:port,host:port/master` for sentinels",
                self.scheme
            )));
        };
        check_query(self.query, &["protocol"])?;
        self.info(self.login, host, self.path, self.query)
    }

    #[cfg(feature = "cluster")]
    fn nodes(&self) -> Result<Vec<ConnectionInfo>, Error> {
        check_query(self.query, &["protocol"])?;
        let nodes = self.hosts.iter();
        nodes
            .map(|host| self.info(self.login, host, self.path, self.query))
            .collect()
    }

    /// `/master/db`, and what the sentinels ask for in the query.
    #[cfg(feature = "sentinel")]
    fn watched(&self) -> Result<Watched, Error> {
        let (name, db) = self.path.split_once('/').unwrap_or((self.path, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong(
                "the URL does not name the master; write \
                 `redis+sentinel://user:password@host:port,host:port/master/db`, with the name \
                 that the sentinels know it by",
            ));
        }
        check_query(
            self.query,
            &["protocol", "sentinel_username", "sentinel_password"],
        )?;
        let (mut user, mut password, mut query) = ("", "", Vec::new());
        for pair in self.query.split('&') {
            match pair.split_once('=') {
                Some(("sentinel_username", value)) => user = value,
                Some(("sentinel_password", value)) => password = value,
                _ => query.push(pair),
            }
        }
        let login = match (user, password) {
            ("", "") => String::new(),
            (user, password) => format!("{user}:{password}@"),
        };
        let query = query.join("&");
        let sentinels = self.hosts.iter().map(|host| {
            const SENTINEL_PORT: u16 = 26379;
            let host = match host.rfind(':') > host.rfind(']') {
                true => (*host).to_owned(),
                false => format!("{host}:{SENTINEL_PORT}"),
            };
            self.info(&login, &host, "", &query)
        });
        Ok(Watched {
            sentinels: sentinels.collect::<Result<_, _>>()?,
            name: name.to_owned(),
            master: self.info(self.login, "localhost", db, &query)?,
        })
    }

    fn info(
        &self,
        login: &str,
        host: &str,
        path: &str,
        query: &str,
    ) -> Result<ConnectionInfo, Error> {
        let scheme = self.scheme;
        connection_info(&format!("{scheme}://{login}{host}/{path}?{query}"))
    }
}

fn socket(url: &str) -> Result<ConnectionInfo, Error> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    check_query(query, &["db", "user", "pass", "protocol"])?;
    connection_info(url).map_err(|_| {
        wrong(
            "the URL is malformed; write `redis+unix:///path/to/socket?db=0`, with the whole path \
             and a database of 0 or more",
        )
    })
}

/// What is not known there would go unnoticed: a database that is written in the way of sockets, a
/// slip of the pen, the rest of a password. It is not quoted, since it may be that.
fn check_query(query: &str, known: &[&str]) -> Result<(), Error> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !known.contains(&name) {
            let known = known.join("`, `");
            return Err(wrong(format!(
                "the URL has something behind its `?` that is not known there; there may be \
                 `{known}`, and in a password `?` is `%3F` and `&` is `%26`"
            )));
        }
        if name == "protocol" && !["2", "resp2", "3", "resp3"].contains(&value) {
            return Err(wrong(
                "`protocol` in the URL is neither `resp2` nor `resp3`",
            ));
        }
    }
    Ok(())
}

fn connection_info(url: &str) -> Result<ConnectionInfo, Error> {
    // The cause may quote parts of the URL, where passwords are.
    let info = url.into_connection_info().map_err(|_| {
        wrong("the URL is malformed; write `redis://user:password@host:port/db`, and in a password `%40` for `@`, `%2F` for `/`")
    })?;
    if info.redis_settings().db() < 0 {
        return Err(wrong(
            "the database in the URL is negative; it is 0 or more",
        ));
    }
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn wrong(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, text)
}

#[cfg(test)]
mod tests {
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
        assert!(refused("memory://h").contains("write `memory://`"));
    }

    #[test]
    fn what_stands_where_it_means_nothing_is_refused() {
        assert!(refused("redis://h:1,h:2").contains("`redis+cluster://`"));
        assert!(refused("redis://:a#b@h").contains("`%23`"));
        assert!(refused("redis://h/#insecure").contains("not switched off"));
        assert!(refused("redis://h:port").contains("malformed"));
        assert!(refused("redis://").contains("malformed"));
        assert!(refused("redis://h/-1").contains("0 or more"));
        assert!(refused("redis+unix:///s?db=-1").contains("0 or more"));
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
        assert!(refused("redis+sentinel://h/main/first").contains("malformed"));
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
}
