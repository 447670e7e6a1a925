//! What GET, MGET and PTTL answer.

use std::time::Duration;

use redis::{Cmd, RedisResult, Value};

use super::batch::Sealed;
use super::code::code;
use super::failure::{read, told, unfit};
use crate::error::Error;
use crate::key::OnServer;
use crate::store::{Found, Left, Waited};

/// What each of a batch asked for. One that is refused fails alone.
pub(super) fn found(
    values: Vec<Value>,
    batch: &Sealed,
    times: Vec<RedisResult<Value>>,
    waited: Waited,
) -> Result<Vec<Result<Found, Error>>, Error> {
    if values.len() != batch.len() {
        return Err(unfit());
    }
    let mut times = times.into_iter();
    let of_one = |(value, left): (Value, bool)| {
        let left = match left {
            true => time_left(times.next().ok_or_else(unfit)?)?,
            false => Left::Unknown,
        };
        Ok(Found {
            json: bytes(value)?,
            left,
            waited,
            watched: false,
        })
    };
    Ok(values.into_iter().zip(batch.lefts()).map(of_one).collect())
}

/// By [PTTL](https://redis.io/docs/latest/commands/pttl/): -1 is for ever, -2 is gone.
pub(super) fn time_left(answer: RedisResult<Value>) -> Result<Left, Error> {
    Ok(match read::<i64>(answer)? {
        -1 => Left::Forever,
        left => {
            u64::try_from(left).map_or(Left::Unknown, |left| Left::For(Duration::from_millis(left)))
        }
    })
}

pub(super) fn get(name: OnServer<'_>) -> Cmd {
    const COMMAND: &str = "GET";
    let mut get = Cmd::with_capacity(2, COMMAND.len() + name.len());
    get.arg(COMMAND).arg(name);
    get
}

/// What GET found. What is no string was never ours: MGET finds nothing there, and GET says so.
pub(super) fn string(answer: RedisResult<Value>) -> Result<Option<Vec<u8>>, Error> {
    match answer {
        Err(error) if code(&error) == Some("WRONGTYPE") => Ok(None),
        answer => bytes(answer.map_err(told)?),
    }
}

pub(super) fn list(values: Value) -> Result<Vec<Value>, Error> {
    match values {
        Value::Array(values) => Ok(values),
        _ => Err(unfit()),
    }
}

pub(super) fn bytes(value: Value) -> Result<Option<Vec<u8>>, Error> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(unfit()),
    }
}
