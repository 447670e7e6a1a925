//! Making up for invalidations that could not be delivered.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};

use super::connect::{Connection, Connector};
use super::failure::{class, is_passing, timed_out};
use super::patience::patiently;
use crate::owed::Owed;

/// What is owed, as commands on keys of this prefix.
#[derive(Clone)]
pub(super) struct Debts {
    owed: Arc<Owed>,
    prefix: String,
    /// How many keys at once: in a cluster each may be on another node.
    at_once: usize,
    /// How long the answers to them may take.
    limit: Duration,
}

impl Debts {
    pub(super) fn new(owed: &Arc<Owed>, prefix: &str, connector: &Connector) -> Self {
        Self {
            owed: owed.clone(),
            prefix: prefix.to_owned(),
            at_once: if connector.is_cluster() { 1 } else { 500 },
            limit: connector.response_timeout(),
        }
    }

    pub(super) async fn make_up(&self, connection: &mut Connection) -> RedisResult<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        for debt in self.owed.debt().in_parts(self.at_once) {
            let mut commands = Pipeline::with_capacity(2 * self.at_once);
            for key in debt.keys() {
                let refresh = key.refresh_on_server(&self.prefix);
                commands.cmd("UNLINK").arg(refresh);
                commands.cmd("UNLINK").arg(key.on_server(&self.prefix));
            }
            let sending = patiently(self.limit, connection.send(&commands));
            for answer in sending.await.unwrap_or_else(|| Err(timed_out()))? {
                give_up_what_is_refused(answer)?;
            }
            self.owed.settle(&debt);
        }
        Ok(())
    }
}

/// An invalidation that the server will never take must not keep the cache from everything else.
fn give_up_what_is_refused(answer: RedisResult<Value>) -> RedisResult<()> {
    match answer {
        Err(error) if class(&error).ends_the_lane() || is_passing(&error) => Err(error),
        Err(error) => {
            tracing::warn!(
                code = error.code(),
                "redis refuses an invalidation that was owed; it is given up"
            );
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}
