//! What the errors of redis-rs mean here.

use redis::{ErrorKind as Kind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};

use super::code::code;
use crate::error::{Error, ErrorKind};

/// What an error means, beyond the one command that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The connection is gone, or what is at its other end is no Redis: it is replaced.
    Dead,
    /// Nothing came in time. The connection is suspect: a socket that a firewall swallows is silent
    /// for ever.
    Late,
    /// The server refuses whatever it is asked: it is loading, cut off from its master, busy with a
    /// script, or does not let us in.
    RefusesAll,
    /// The server is no master any more: connections to it are of no use, and it takes no writes.
    Demoted,
    /// The server takes no writes: it has no memory or disk left for more.
    RefusesWrites,
    /// We may not do this, which of a SET means that we may not write.
    Forbidden,
    /// Only this command is concerned: what stands under the key is of another type, or the command
    /// is a mistake of ours. It is never sent again.
    ThisCommand,
}

pub(super) fn class(error: &RedisError) -> Class {
    if error.is_timeout() {
        return Class::Late;
    }
    match code(error) {
        _ if error.kind() == Kind::AuthenticationFailed => Class::RefusesAll,
        Some(
            "BUSY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "NOAUTH" | "WRONGPASS" | "DENIED",
        ) => Class::RefusesAll,
        Some("READONLY") => Class::Demoted,
        Some("NOPERM") => Class::Forbidden,
        Some("OOM" | "MISCONF" | "NOREPLICAS") => Class::RefusesWrites,
        Some(_) => Class::ThisCommand,
        None if matches!(error.kind(), Kind::Io | Kind::Parse) => Class::Dead,
        None if error.is_unrecoverable_error() => Class::Dead,
        None => Class::ThisCommand,
    }
}

impl Class {
    pub(super) fn refuses_writes(self) -> bool {
        matches!(self, Self::Demoted | Self::RefusesWrites | Self::Forbidden)
    }

    /// Whether any other command would fare no better, on this connection at least.
    pub(super) fn is_of_the_server(self) -> bool {
        matches!(self, Self::Dead | Self::Late | Self::RefusesAll)
    }

    /// Whether later commands on this connection would fare no better.
    pub(super) fn ends_the_lane(self) -> bool {
        matches!(self, Self::Dead | Self::Late | Self::Demoted)
    }
}

/// What a node of a cluster says of itself alone: the others may be well. That the whole cluster is down
/// is said by the same code as that one slot is nobody's.
pub(super) fn is_of_one_node(error: &RedisError) -> bool {
    const NOBODYS: &str = "slot not served";
    match code(error) {
        Some("BUSY" | "LOADING" | "MASTERDOWN") => true,
        Some("CLUSTERDOWN") => error.detail().is_some_and(|text| text.contains(NOBODYS)),
        _ => false,
    }
}

/// The connection was gone, so that the server saw nothing or its answer is lost.
pub(super) fn broke(error: &RedisError) -> bool {
    error.is_unrecoverable_error() && error.kind() == Kind::Io
}

/// The server cannot do anything just now, or is not the one that can.
pub(super) fn is_passing(error: &RedisError) -> bool {
    let is_to_be_let_in = error.kind() == Kind::AuthenticationFailed
        || matches!(code(error), Some("NOAUTH" | "WRONGPASS" | "DENIED"));
    match class(error) {
        Class::RefusesAll => !is_to_be_let_in,
        Class::Demoted => true,
        _ => code(error) == Some("TRYAGAIN"),
    }
}

/// The server does not let us, or does not know the command: a moment later it will not, either. It is the
/// command itself that is refused, and not what a script does.
pub(super) fn is_forbidden(error: &RedisError) -> bool {
    code(error) == Some("NOPERM") || is_unknown_command(error)
}

/// A mistake by its code, as any other.
pub(super) fn is_unknown_command(error: &RedisError) -> bool {
    is_mistake(error, |text| text.starts_with("unknown command"))
}

/// Of a word that the server's version of the command does not have.
pub(super) fn is_syntax_error(error: &RedisError) -> bool {
    is_mistake(error, |text| text == "syntax error")
}

/// Of the errors whose code is the one of every mistake.
fn is_mistake(error: &RedisError, is_it: impl FnOnce(&str) -> bool) -> bool {
    error.code() == Some("ERR") && error.detail().is_some_and(is_it)
}

/// Of a script that takes a lease, which only servers before Redis 7.0 are sent: that it has no right to what
/// it does is said there by no code.
pub(super) fn of_lease_script(error: RedisError) -> RedisError {
    const MAY_NOT: &str = ": The user executing the script can't run this command or subcommand";
    let may_not = is_mistake(&error, |text| text.trim_end().ends_with(MAY_NOT));
    match may_not {
        true => (ServerErrorKind::NoPerm.into(), "a script may not write").into(),
        false => error,
    }
}

/// The server may take the same command later.
pub(super) fn is_for_now(error: &RedisError) -> bool {
    is_passing(error) || class(error) == Class::RefusesWrites
}

/// What is found out about the name of a master.
pub(super) const UNKNOWN_MASTER: &str = "the sentinels know no master of the name that the URL has";

/// What redis-rs reports, without what the server said: that quotes the command that it refuses,
/// with its arguments, and a failed conversion quotes the answer. Either may be a stored value.
pub(super) fn told(error: RedisError) -> Error {
    match error.kind() {
        _ if error.is_timeout() => late(),
        Kind::Parse | Kind::UnexpectedReturnType => Error::new(
            ErrorKind::Unavailable,
            "what answers at the configured address does not speak Redis",
        ),
        _ if is_about_the_database(&error) => Error::new(
            ErrorKind::Refused,
            "redis has no database of the number that the URL names",
        ),
        // Of all nodes of a cluster together.
        Kind::Io if says(&error, "AuthenticationFailed") || says(&error, "NOAUTH") => Error::new(
            ErrorKind::Refused,
            "redis refused the command: authentication failed",
        ),
        Kind::InvalidClientConfig if error.to_string().contains("sentinel node") => Error::new(
            ErrorKind::Refused,
            "what answers at the configured address is no sentinel; the URL of one server is `redis://`",
        ),
        Kind::Io | Kind::Client if is_about_certificates(&error) => Error::new(
            ErrorKind::Refused,
            "redis shows no certificate that is trusted, or none of the name that it is called by",
        )
        .because(error),
        Kind::Io | Kind::Client if lacks_tls(&error) => Error::new(
            ErrorKind::Refused,
            "what answers at the configured address does not speak TLS; a URL without TLS is `redis://`",
        ),
        Kind::Io | Kind::Client => {
            Error::new(ErrorKind::Unavailable, "redis cannot be reached").because(error)
        }
        _ if says(&error, "cluster support disabled") => Error::new(
            ErrorKind::Refused,
            "redis is no cluster there; the URL of one server is `redis://`",
        ),
        Kind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => Error::new(
            ErrorKind::Refused,
            "redis is a node of a cluster there; the URL of a cluster is `redis+cluster://`",
        ),
        _ if is_unknown_command(&error) => Error::new(
            ErrorKind::Refused,
            "redis does not know a command that the cache needs: is it a sentinel, or is it none?",
        ),
        _ if says(&error, UNKNOWN_MASTER) => Error::new(ErrorKind::Refused, UNKNOWN_MASTER),
        Kind::ClusterConnectionNotFound => Error::new(
            ErrorKind::Unavailable,
            "no node of the cluster can be reached",
        ),
        Kind::MasterNameNotFoundBySentinel => Error::new(
            ErrorKind::Unavailable,
            "the sentinels know no master of this name that is up",
        ),
        _ => {
            let kind = if is_passing(&error) {
                ErrorKind::Unavailable
            } else {
                ErrorKind::Refused
            };
            let why = code(&error).unwrap_or_else(|| error.category());
            Error::new(kind, format!("redis refused the command: {why}"))
        }
    }
}

/// What it is about only the text tells: each library of TLS has its own errors.
fn is_about_certificates(error: &RedisError) -> bool {
    error.to_string().contains("certificate")
}

/// A handshake was answered with something else.
fn lacks_tls(error: &RedisError) -> bool {
    const BY_EACH_LIBRARY: [&str; 3] = [
        "InvalidContentType",
        "InvalidMessage",
        "wrong version number",
    ];
    let text = error.to_string();
    BY_EACH_LIBRARY.iter().any(|part| text.contains(part))
}

/// Of SELECT, at the beginning of a connection.
fn is_about_the_database(error: &RedisError) -> bool {
    /// The second one by a cluster that has only database 0.
    const TEXTS: [&str; 2] = [
        "DB index is out of range",
        "SELECT is not allowed in cluster mode",
    ];
    // Of all nodes together there is no code.
    let is_of_all = |text: &&str| error.kind() == Kind::Io && says(error, text);
    is_mistake(error, |text| TEXTS.contains(&text)) || TEXTS.iter().any(is_of_all)
}

/// Where a server has no code for what it says.
fn says(error: &RedisError, part: &str) -> bool {
    error.detail().is_some_and(|text| text.contains(part))
}

/// What keeps a connection from being made. That something else than Redis answers the first command is
/// no accident of one connection.
pub(super) fn told_of_connecting(error: &RedisError) -> Error {
    let told = told(error.clone());
    match error.kind() {
        Kind::Parse | Kind::UnexpectedReturnType if !error.is_timeout() => {
            Error::new(ErrorKind::Refused, told.to_string())
        }
        _ => told,
    }
}

pub(super) fn ended() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the runtime of the connection ended",
    )
}

/// The answer to a command, as what it should be.
pub(super) fn read<T: FromRedisValue>(answer: RedisResult<Value>) -> Result<T, Error> {
    // The error of a failed conversion quotes the value, so it is not kept.
    T::from_redis_value(answer.map_err(told)?).map_err(|_| unfit())
}

pub(super) fn unfit() -> Error {
    Error::new(
        ErrorKind::Refused,
        "redis answered with something that does not fit the command",
    )
}

/// As redis-rs reports a deadline of its own.
pub(super) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

pub(super) fn late() -> Error {
    Error::late()
}
