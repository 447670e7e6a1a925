//! What the connections beside the lanes make of an answer: those have one caller at a time, and the lanes
//! to fall back on.

use redis::{RedisError, RedisResult, Value};

use super::failure::{Class, class};
use super::health::Health;

pub(super) enum Said {
    /// The connection is well.
    Answer(RedisResult<Value>),
    /// The connection is of no use any more: what comes late would be taken for the next answer. Whether the
    /// server or this process kept it waiting is found out by the lanes.
    Late(RedisError),
    /// The connection is of no use any more. What is wrong is found out by the lanes, which are to be asked
    /// the same.
    Nothing,
}

impl Said {
    pub(super) fn by(answer: RedisResult<Value>, health: &Health) -> Self {
        let answer = match answer {
            // Nearly always. The rest is moved about more than once.
            Ok(Value::BulkString(value)) => {
                health.answered();
                return Self::Answer(Ok(Value::BulkString(value)));
            }
            Ok(answer) => answer.extract_error(),
            Err(error) if class(&error) == Class::Late => {
                health.suspect();
                return Self::Late(error);
            }
            Err(_) => return Self::Nothing,
        };
        match answer.as_ref().map_err(class) {
            Ok(_) | Err(Class::ThisCommand) => {
                health.answered();
                Self::Answer(answer)
            }
            Err(_) => Self::Nothing,
        }
    }
}
