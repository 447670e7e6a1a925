//! What the errors of redis-rs mean here.

use redis::{ErrorKind as Kind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};

use crate::error::{Error, ErrorKind};

/// The connection was gone, so that the server saw nothing or its answer is lost.
pub(super) fn broke(error: &RedisError) -> bool {
    error.is_unrecoverable_error() && error.kind() == Kind::Io
}

/// Later commands on this connection would fare no better: it is gone, it is silent (a socket that
/// a firewall swallows stays so for ever), or it leads to a server that no longer is the master.
pub(super) fn ends_the_lane(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.kind() == Kind::Server(ServerErrorKind::ReadOnly)
}

/// The server cannot do anything just now, or is not the one that can.
pub(super) fn is_passing(error: &RedisError) -> bool {
    let Kind::Server(kind) = error.kind() else {
        return false;
    };
    matches!(
        kind,
        ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ReadOnly
    )
}

/// What redis-rs reports, without what the server said: that quotes the command that it refuses,
/// with its arguments, and a failed conversion quotes the answer. Either may be a stored value.
pub(super) fn told(error: RedisError) -> Error {
    match error.kind() {
        _ if error.is_timeout() => late(),
        Kind::Parse | Kind::UnexpectedReturnType => Error::new(
            ErrorKind::Unavailable,
            "what answers at the configured address does not speak Redis",
        ),
        Kind::Io => Error::new(ErrorKind::Unavailable, "redis cannot be reached").because(error),
        _ => {
            let kind = if is_passing(&error) {
                ErrorKind::Unavailable
            } else {
                ErrorKind::Refused
            };
            let code = error.code().map(str::to_owned);
            let why = code.unwrap_or_else(|| error.category().to_owned());
            Error::new(kind, format!("redis refused the command: {why}"))
        }
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

pub(super) fn late() -> Error {
    Error::new(ErrorKind::Timeout, "redis did not answer in time")
}

/// Whether the server may have heard nothing, so that what it was to do is still to be done.
pub(super) fn is_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}
