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
        return Err(without_slashes(url));
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

fn without_slashes(url: &str) -> Error {
    let (name, _) = url.split_once(':').unwrap_or_default();
    let rest = match scheme(name).map(|scheme| scheme.form) {
        Ok(Form::Socket) => "/path/to/socket",
        Ok(_) => "host:port",
        Err(_) => {
            return wrong(
                "the URL has no scheme; write `redis://host:port`, or `memory://` for no server",
            );
        }
    };
    wrong(format!(
        "two slashes are missing behind `{name}:`; write `{name}://{rest}`"
    ))
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
        "unknown scheme {shown}; known are `redis://`, `redis+unix://`, `unix://`, \
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
            let host = match split_port(host) {
                (_, Some(_)) => (*host).to_owned(),
                (host, None) => format!("{host}:{SENTINEL_PORT}"),
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
        connection_info(&format!("{scheme}://{login}{host}/{path}?{query}")).ok_or_else(|| {
            let part = wrong_part(scheme, host, path);
            wrong(format!(
                "{part}; write `redis://user:password@host:port/db`, and in a password `%40` for \
                 `@`, `%2F` for `/`"
            ))
        })
    }
}

/// It is not quoted, since it may be the rest of a password.
fn wrong_part(scheme: &str, host: &str, path: &str) -> &'static str {
    let (name, port) = split_port(host);
    let database = path.trim_matches('/');
    let is_no_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_err();
    if name.is_empty() {
        "the URL names no host"
    } else if port.is_some_and(is_no_port) {
        "the port in the URL is no number up to 65535"
    } else if !database.is_empty() && !is_database(database) {
        NO_DATABASE
    } else if connection_info(&format!("{scheme}://{host}")).is_some() {
        "the user or the password in the URL is no UTF-8 text"
    } else {
        "the host in the URL cannot be one; an IPv6 address stands in `[]`"
    }
}

const NO_DATABASE: &str = "the database in the URL is no number from 0 to 2147483647";

/// As a server takes it.
fn is_database(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|database| database >= 0)
}

/// The port is behind the last colon, unless that is within the brackets of an address.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rfind(':') {
        Some(colon) if Some(colon) > host.rfind(']') => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    }
}

fn socket(url: &str) -> Result<ConnectionInfo, Error> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    check_query(query, &["db", "user", "pass", "protocol"])?;
    connection_info(url).ok_or_else(|| {
        let database = query.split('&').find_map(|pair| pair.strip_prefix("db="));
        let part = match database.is_none_or(is_database) {
            true => "the path in the URL is not that of a socket, from the root on",
            false => NO_DATABASE,
        };
        wrong(format!("{part}; write `redis+unix:///path/to/socket?db=0`"))
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

/// Why it is none is not kept: the cause may quote parts of the URL, where passwords are.
fn connection_info(url: &str) -> Option<ConnectionInfo> {
    let info = url.into_connection_info().ok()?;
    let database = i32::try_from(info.redis_settings().db()).ok()?;
    (database >= 0).then(|| info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn wrong(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, text)
}

#[cfg(test)]
mod tests;
