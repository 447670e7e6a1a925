//! The knobs of a cache: each with its default and why.

mod pem;
mod read;

use std::fmt;
use std::time::Duration;

pub(crate) use self::pem::Pem;
use crate::error::{Error, ErrorKind};
use crate::size;

/// How a [`Cache`](crate::Cache) is set up.
///
/// ```
/// use cache_runtime::{Cache, Config};
/// use std::time::Duration;
///
/// let config = Config::new("redis://127.0.0.1")
///     .prefix("shop")
///     .response_timeout(Duration::from_millis(50));
/// let cache = Cache::new(config)?;
/// # Ok::<(), cache_runtime::Error>(())
/// ```
///
/// It can be read from files and from the environment, by any format of serde that names its fields:
/// `url` is needed, everything else has its default. A field has the name of the method that sets it.
/// Durations are text such as `"100ms"` or `"1h30m"`, or a number of whole seconds. An unknown field
/// is an error that names the nearest one.
///
/// ```
/// let text = r#"{ "url": "redis://127.0.0.1", "response_timeout": "50ms", "retry": 30 }"#;
/// let config: cache_runtime::Config = serde_json::from_str(text)?;
///
/// let slip = text.replace("retry", "rety");
/// let error = serde_json::from_str::<cache_runtime::Config>(&slip).unwrap_err();
/// assert!(error.to_string().starts_with("unknown field `rety`; did you mean `retry`?"));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// `examples/configured.rs` reads one from a TOML text and environment variables.
///
/// # Rights on the server
///
/// A server that knows users can let this one do what a cache does and nothing else
/// (`cache` is the [`prefix`](Self::prefix)):
///
/// ```text
/// ACL SETUSER app on >password ~cache:* -@all
///     +get +mget +pttl +set +setex +psetex +unlink +ping    what the cache sends
///     +client|tracking                                      to hear of changes (option `near`)
///     +evalsha +eval +del +pexpire                          its scripts, and what they call
///     +watch +multi +exec                                   where those are forbidden, instead
///     +unwatch                                              Cache::pool, beside your own commands
///     +select                                               a database other than 0
///     +role                                                 behind sentinels
///     +cluster|slots +asking                                in a cluster
/// ```
///
/// Each server since Redis 6.0 takes these lines. Keys by hand that do not begin with the prefix need a
/// pattern of their own. Where scripts are forbidden, which the first one that is refused tells,
/// transactions do the same on a few connections of their own. Where those are forbidden, too, there are no leases, which one warning
/// tells, unless the server's SET has IFEQ (Redis since 8.4, Valkey since 8.1): then there are, but
/// they are not given back before they expire, and refreshes store nothing. Rights may come back, so
/// what was refused is tried again after a minute. Sentinels are asked by `+sentinel|masters +role`.
#[derive(Clone)]
#[must_use]
pub struct Config {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) pool_size: usize,
    pub(crate) max_value_bytes: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) max_refreshes: usize,
    pub(crate) retry: Duration,
    pub(crate) root_certificates: Option<Pem>,
    pub(crate) client_certificate: Option<Pem>,
    pub(crate) client_key: Option<Pem>,
    pub(crate) near_bytes: u64,
    pub(crate) near_max_age: Duration,
}

impl Config {
    /// A configuration with the defaults for the server at `url`, which
    /// [`Cache::new`](crate::Cache::new) checks:
    ///
    /// | URL | what it names | feature |
    /// |---|---|---|
    /// | `redis://[user:password@]host[:port][/db]` | one server | |
    /// | `redis+unix:///path/to/socket[?db=1&user=..&pass=..]`, or `unix://` | one server, by its socket | |
    /// | `redis+sentinel://[user:password@]host[:port],host[:port]/master[/db]` | the master that these sentinels know by the name `master`; their port is 26379 by default | `sentinel` |
    /// | `redis+cluster://[user:password@]host[:port],host[:port]` | the cluster of these nodes, any of them | `cluster` |
    /// | `rediss://`, `rediss+sentinel://`, `rediss+cluster://` | the same with TLS, to sentinels as well | `tls-rustls` or `tls-native` |
    /// | `memory://` | the in-memory store of this process | |
    ///
    /// User and password are those of the servers; sentinels that ask for others get
    /// `?sentinel_username=..&sentinel_password=..`. In each, what is not a letter or a digit is
    /// percent-encoded: `%40` for `@`, `%23` for `#`. With `?protocol=resp3` connections speak
    /// RESP3. Anything else behind the `?` is refused.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "cache".to_owned(),
            connect_timeout: Duration::from_millis(250),
            response_timeout: Duration::from_millis(100),
            pool_size: 8,
            max_value_bytes: size::LONGEST,
            memory_bytes: 64 << 20,
            max_refreshes: 64,
            retry: Duration::from_secs(10),
            root_certificates: None,
            client_certificate: None,
            client_key: None,
            near_bytes: 32 << 20,
            near_max_age: Duration::from_secs(10),
        }
    }

    /// The first part of every key, `cache` by default, so that a shared server can tell
    /// applications apart (and an ACL can: `~shop:*`). It ends with `:` in a key, or with `::` if it
    /// holds `:` itself. An empty one writes nothing: then no other cache of the server may have the
    /// name of one of its functions for a prefix. Braces are refused, since a cluster would put all
    /// keys into one slot.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long connecting may take, 250 ms by default. The calls that come before there was a
    /// connection wait for it, and for one answer; a later one is made behind the callers, who then
    /// wait for no longer than one answer may take, and not at all for a server that is in doubt, nor
    /// once that took too long. Where scripts are forbidden, a transaction that finds no connection free
    /// waits for a new one as for the first.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one answer of the server may take, 100 ms by default, and how long a call waits for all of
    /// its answers together; after that it runs its body. To store what it loads, it takes several of them:
    /// for a server that is far away, set this to some round trips. A connection on which nothing came in
    /// that time is replaced.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How many connections [`Cache::pool`](crate::Cache::pool) holds at most, 8 by default and no
    /// more than 10,000. The cache's own calls share a few connections that are not of this pool.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// The largest JSON text that is stored, 1 MiB by default: a larger value is returned but not
    /// stored. Functions with values over 64 KB have a connection of their own, on which they are
    /// read a few at a time, 8 MiB together at most, so that none holds up a small one. Where a larger
    /// value is to be stored, [`response_timeout`](Self::response_timeout) must be long enough for it
    /// to arrive.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// How much the in-memory store keeps, keys and values together, 64 MiB by default.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// How many refreshes behind their callers (option `stale`) run at the same time in this
    /// process, 64 by default. Beyond that the old value is served and the refresh is left to a
    /// later call. A refresh that runs for longer than the function's `follow` counts no more for other
    /// functions; its own function gets no more refreshes while so many of it are under way.
    pub fn max_refreshes(mut self, refreshes: usize) -> Self {
        self.max_refreshes = refreshes;
        self
    }

    /// How long after a failed refresh (option `stale`) the source is asked again by anybody of the
    /// fleet, 10 s by default.
    pub fn retry(mut self, after: Duration) -> Self {
        self.retry = after;
        self
    }

    /// The certificate authorities that a server's certificate may come from, as PEM text: those
    /// and no others. By default, the public ones of Mozilla's list with the feature `tls-rustls`,
    /// and those of the system with `tls-native`.
    ///
    /// In a configuration file it is the text itself, or the path of a file that holds it.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(Pem::new(pem));
        self
    }

    /// The certificate that this program shows to the server, with those that lead to its
    /// authority, and its key, both as PEM text.
    ///
    /// In a configuration file they are `client_certificate` and `client_key`, each the text itself
    /// or the path of a file that holds it.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_certificate = Some(Pem::new(certificate));
        self.client_key = Some(Pem::new(key));
        self
    }

    /// How much the copies in this process (option `near`) take at most, for all functions together,
    /// 32 MiB by default, counted by the JSON text of each; zero keeps none. What ended may take
    /// another 1 MiB a thread.
    pub fn near_bytes(mut self, bytes: u64) -> Self {
        self.near_bytes = bytes;
        self
    }

    /// How old a copy in this process (option `near`) may become, 10 s by default; a function can
    /// ask for less. The server tells of every change at once, so this matters only where it cannot:
    /// when it stands still or is cut off without a sign. On Linux, the time for which the system is
    /// suspended does not count: right after it, a copy may be older by as much, until what the server
    /// told meanwhile has come or the connection turns out to be lost.
    pub fn near_max_age(mut self, age: Duration) -> Self {
        self.near_max_age = age;
        self
    }

    /// Everything but the URL, whose form is known where connections are made.
    pub(crate) fn check(&self) -> Result<(), Error> {
        const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
        let wrong = |text: String| Err(Error::new(ErrorKind::Config, text));
        if let Some(found) = self
            .prefix
            .chars()
            .find(|c| matches!(c, '{' | '}') || c.is_control() || c.is_whitespace())
        {
            return wrong(format!(
                "the prefix holds {found:?}; braces, spaces and control characters have no place in it"
            ));
        }
        for (name, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("response_timeout", self.response_timeout),
            ("retry", self.retry),
            ("near_max_age", self.near_max_age),
        ] {
            if timeout > LONGEST {
                return wrong(format!("`{name}` is longer than a day"));
            }
            if timeout.is_zero() {
                return wrong(format!("`{name}` is zero; give it at least a millisecond"));
            }
        }
        if self.pool_size == 0 {
            return wrong("`pool_size` is zero; give the pool at least one connection".to_owned());
        }
        // Room for them is made at once, and a server takes no more unless it is told to.
        const MOST_CONNECTIONS: usize = 10_000;
        if self.pool_size > MOST_CONNECTIONS {
            return wrong(format!("`pool_size` is more than {MOST_CONNECTIONS}"));
        }
        if let Some(roots) = &self.root_certificates {
            roots.check("root_certificates", "CERTIFICATE")?;
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => {
                certificate.check("client_certificate", "CERTIFICATE")?;
                key.check("client_key", "PRIVATE KEY")?;
            }
            (None, None) => {}
            _ => {
                return wrong(
                    "of `client_certificate` and `client_key` one is given without the other"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &format_args!("{}", redacted(&self.url)))
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("pool_size", &self.pool_size)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("memory_bytes", &self.memory_bytes)
            .field("max_refreshes", &self.max_refreshes)
            .field("retry", &self.retry)
            .field("root_certificates", &hidden(&self.root_certificates))
            .field("client_certificate", &hidden(&self.client_certificate))
            .field("client_key", &hidden(&self.client_key))
            .field("near_bytes", &self.near_bytes)
            .field("near_max_age", &self.near_max_age)
            .finish()
    }
}

/// Whether it is set, and not to what.
fn hidden<T>(field: &Option<T>) -> Option<fmt::Arguments<'static>> {
    field.as_ref().map(|_| format_args!("***"))
}

/// The URL without what may be secret: user, password and the query, where sockets carry theirs.
fn redacted(url: &str) -> String {
    let shown = url.split_once('?').map_or(url, |(shown, _)| shown);
    let Some((scheme, rest)) = shown.split_once("://") else {
        return "(no URL)".to_owned();
    };
    if !is_scheme(scheme) {
        return "(a URL that does not begin with a scheme)".to_owned();
    }
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None => format!("{scheme}://{rest}"),
    }
}

/// Whether it can be a scheme, and not a login that stands before it.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_place_but_no_secret() {
        for url in [
            "redis://user:pa55word@cache.example:6379/2",
            "redis://:pa55word@cache.example:6379/2",
            "redis://user:p@pa55word@cache.example:6379/2",
            "redis://cache.example:6379/2?pass=pa55word",
        ] {
            let shown = format!("{:?}", Config::new(url));
            assert!(!shown.contains("pa55word"), "{shown}");
            assert!(shown.contains("cache.example:6379/2"), "{shown}");
        }
        for url in ["user:pa55word", "user:pa55word@redis://cache.example"] {
            let shown = format!("{:?}", Config::new(url));
            assert!(!shown.contains("pa55word"), "{shown}");
        }
    }

    #[test]
    fn a_prefix_that_would_steer_a_cluster_is_refused() {
        let error = Config::new("redis://h")
            .prefix("{app}")
            .check()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("'{'"), "{error}");
    }

    #[test]
    fn zero_timeouts_and_an_empty_pool_are_refused() {
        let config = Config::new("redis://h");
        assert!(
            config
                .clone()
                .response_timeout(Duration::ZERO)
                .check()
                .is_err()
        );
        assert!(
            config
                .clone()
                .connect_timeout(Duration::ZERO)
                .check()
                .is_err()
        );
        assert!(config.pool_size(0).check().is_err());
    }

    #[test]
    fn a_pool_larger_than_any_server_takes_is_refused() {
        let config = Config::new("redis://h");
        assert!(config.clone().pool_size(10_000).check().is_ok());
        for connections in [10_001, usize::MAX] {
            let error = config.clone().pool_size(connections).check().unwrap_err();
            assert!(error.to_string().contains("`pool_size`"), "{error}");
        }
    }
}
