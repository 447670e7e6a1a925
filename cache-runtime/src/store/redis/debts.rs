//! Making up for invalidations that could not be delivered.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, RedisError, RedisResult, Value};

use super::code::code;
use super::connect::{Connection, Connector, Place};
use super::failure::{class, is_forbidden, is_passing, timed_out};
use super::patience::patiently;
use crate::exec;
use crate::key::Prefix;
use crate::owed::{Debt, Owed};

/// What is owed, as commands on keys of this prefix.
#[derive(Clone)]
pub(super) struct Debts {
    owed: Arc<Owed>,
    prefix: Prefix,
    /// How many keys at once: in a cluster each may be on another node.
    at_once: usize,
    /// How long the answers to them may take.
    limit: Duration,
}

impl Debts {
    pub(super) fn new(owed: &Arc<Owed>, prefix: &Prefix, connector: &Connector) -> Self {
        Self {
            owed: owed.clone(),
            prefix: prefix.clone(),
            at_once: if connector.is_cluster() { 1 } else { 500 },
            limit: connector.response_timeout(),
        }
    }

    pub(super) async fn make_up(&self, connection: &mut Connection) -> RedisResult<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        // Nodes that took nothing just now, and of one that is silent each key would cost the limit.
        let mut put_off = Vec::new();
        for debt in self.owed.debt().in_parts(self.at_once) {
            let Ok(place) = self.place_of(&debt, connection) else {
                continue;
            };
            if put_off.contains(&place) {
                continue;
            }
            match self.settle(&debt, connection).await {
                Ok(true) => {}
                Err(error) if !place.is_node() || !(error.is_timeout() || is_away(&error)) => {
                    return Err(error);
                }
                _ if place.is_node() => put_off.push(place),
                _ => {}
            }
        }
        Ok(())
    }

    /// Settles what the server took, or never will: one key that it does not take holds up no other.
    /// Returns whether that was all.
    async fn settle(&self, debt: &Debt, connection: &mut Connection) -> RedisResult<bool> {
        let mut commands = Pipeline::with_capacity(2 * self.at_once);
        for key in debt.keys() {
            let refresh = key.refresh_on_server(&self.prefix);
            commands.cmd("UNLINK").arg(refresh);
            commands.cmd("UNLINK").arg(key.on_server(&self.prefix));
        }
        let sending = patiently(self.limit, connection.send(&commands));
        let answers = sending.await.unwrap_or_else(|| Err(timed_out()))?;
        let mut failed = None;
        let mut is_settled = |answer| {
            is_settled(answer).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                false
            })
        };
        // Of each key two, and the second one is looked at whatever the first one is.
        let mut settled = vec![true; debt.keys().len()];
        for (index, answer) in answers.into_iter().enumerate() {
            settled[index / 2] &= is_settled(answer);
        }
        self.owed.settle(&debt.only(&settled));
        failed.map_or(Ok(!settled.contains(&false)), Err)
    }

    /// The node that has its key, where it is of one.
    fn place_of(&self, debt: &Debt, connection: &Connection) -> RedisResult<Place> {
        match debt.keys().next() {
            Some(key) if self.at_once == 1 => connection.place_of(&key.on_server(&self.prefix)),
            _ => Ok(Place::Master),
        }
    }
}

/// Whether there is no more to be done about it. One that the server will never take is given up. One
/// that it may take later, when it has disk or replicas again or the node of a cluster is back, stays owed,
/// and must not keep the cache from everything else: its key alone is not read until then.
fn is_settled(answer: RedisResult<Value>) -> RedisResult<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if is_away(&error) => Ok(false),
        Err(error) if class(&error).ends_the_lane() || is_passing(&error) => Err(error),
        Err(error) if is_forbidden(&error) => {
            exec::aside(move || {
                tracing::warn!(
                    code = error.code(),
                    "redis forbids an invalidation that was owed; it is given up"
                );
            });
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

/// A node of a cluster is.
fn is_away(error: &RedisError) -> bool {
    code(error) == Some("TRYAGAIN")
}

#[cfg(test)]
mod tests {
    use redis::{ErrorKind as Kind, ServerErrorKind};

    use super::*;

    fn refused(code: &'static str, text: &'static str) -> RedisResult<Value> {
        Err(redis::make_extension_error(code.into(), Some(text.into())))
    }

    #[test]
    fn what_is_owed_is_given_up_only_where_it_is_forbidden() {
        let forbidden = Kind::Server(ServerErrorKind::NoPerm);
        assert_eq!(is_settled(Ok(Value::Int(0))), Ok(true));
        assert_eq!(is_settled(Err((forbidden, "it is").into())), Ok(true));
        assert_eq!(
            is_settled(refused("ERR", "unknown command 'UNLINK'")),
            Ok(true)
        );
        for code in [
            "MISCONF",
            "NOREPLICAS",
            "OOM",
            "NOAUTH",
            "DENIED",
            "TRYAGAIN",
            "ANYTHING",
        ] {
            assert_eq!(is_settled(refused(code, "not now")), Ok(false), "{code}");
        }
        assert!(is_settled(refused("BUSY", "with a script")).is_err());
    }
}
