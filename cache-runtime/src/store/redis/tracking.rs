//! The lane that is tracked: the server remembers what was read on it and pushes when that changes
//! ([CLIENT TRACKING](https://redis.io/docs/latest/develop/reference/client-side-caching/)).
//!
//! There is one, on the I/O thread, so that pushes are handled whatever the callers' runtimes do: one
//! whose threads are blocked would leave copies standing that are changed already. In the default
//! mode, in which only what was read here is told of. Others read on their own lanes and pay nothing
//! for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{AsyncPushSender, SendError};
use redis::{ErrorKind as Kind, PushInfo, PushKind, RedisError, RedisResult, Value, cmd};

use super::batch::Wanted;
use super::compare::Forbidden;
use super::connect::{Connection, Connector};
use super::debts::Debts;
use super::failure::{Class, class, is_passing, is_unknown_command, late};
use super::health::Health;
use super::lane::Lane;
use super::link::{Carries, Link};
use super::reads::Reads;
use crate::error::Error;
use crate::exec;
use crate::key::{OnServer, Prefix};
use crate::near::Near;
use crate::size::Size;
use crate::store::Found;

pub(super) struct Tracking {
    /// None where pushes cannot tell of everything: other nodes have other connections.
    reads: Option<Arc<Reads>>,
    changes: Arc<Changes>,
    limit: Duration,
}

impl Tracking {
    /// Connects to nothing before the first read.
    pub(super) fn new(
        connector: &Arc<Connector>,
        prefix: &Prefix,
        health: &Arc<Health>,
        debts: &Debts,
        near: &Arc<Near>,
        limit: Duration,
    ) -> Self {
        let changes = Arc::new(Changes {
            near: near.clone(),
            prefix: prefix.clone(),
            is_refused: AtomicBool::new(false),
            refused: Forbidden::default(),
            is_told: AtomicBool::new(false),
        });
        let reads = || {
            let (health, carries) = (health.clone(), Carries::Pushes(changes.clone()));
            let link = Link::new(connector.clone(), health, debts.clone(), carries);
            let lane = Lane::new(link, connector.response_timeout());
            Arc::new(Reads::new(Arc::new(lane), limit, None))
        };
        Self {
            reads: connector.can_push().then(reads),
            changes,
            limit,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.reads.is_some() && !self.changes.is_refused()
    }

    /// Reads so that the next change is told of; `None` where nothing is tracked.
    pub(super) async fn get(&self, name: String, size: Size) -> Option<Result<Found, Error>> {
        let Some(reads) = &self.reads else {
            self.changes
                .tell_once("there is more than one server to hear from");
            return None;
        };
        let tries_again = self.changes.is_refused() && self.changes.refused.is_over(Instant::now());
        if self.changes.is_refused() && !tries_again {
            return None;
        }
        let (reads, changes) = (reads.clone(), self.changes.clone());
        let reading = exec::on_io(self.limit, async move {
            if tries_again {
                // In this order: nothing is read any more on a connection that is not tracked.
                reads.lane().drop_connection();
                changes.is_refused.store(false, Ordering::Release);
            }
            let name = OnServer::whole(&name);
            let left = true;
            reads.get(Wanted { name, left, size }).await
        });
        let found = match reading.await {
            Ok(found) => found.unwrap_or_else(|| Err(late())),
            Err(error) => Err(error),
        };
        // It may have turned out just now.
        let watched = !self.changes.is_refused();
        Some(found.map(|found| Found { watched, ..found }))
    }

    /// Lets so much of the time go by after which a refusal is tried again.
    pub(super) fn advance(&self, by: Duration) {
        self.changes.refused.advance(by);
    }

    pub(super) fn close(&self) {
        if let Some(reads) = &self.reads {
            reads.close();
        }
    }
}

impl fmt::Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracking").finish_non_exhaustive()
    }
}

/// What a tracked lane hears, and whom it tells.
pub(super) struct Changes {
    near: Arc<Near>,
    prefix: Prefix,
    /// The server does not track: nothing is kept of what is read on the connection.
    is_refused: AtomicBool,
    /// Since when that is believed.
    refused: Forbidden,
    is_told: AtomicBool,
}

impl Changes {
    /// A connection on which the server tracks, or, where it does not, any: then nothing is kept of
    /// what is read on it. What was read on one before it is not told of any more.
    pub(super) async fn connect(
        self: &Arc<Self>,
        connector: &Connector,
    ) -> RedisResult<Connection> {
        let tracked = match connector.connect_for_pushes(Pushes(self.clone())).await {
            Err(error) if knows_no_pushes(&error) => None,
            pushing => track(pushing?).await?,
        };
        self.lose_track();
        if let Some(tracked) = tracked {
            self.tell_of_the_end();
            return Ok(tracked);
        }
        self.refused.found(Instant::now());
        self.is_refused.store(true, Ordering::Release);
        self.tell_once("the server does not track what its clients read, or forbids it");
        connector.connect().await
    }

    /// Nothing is known any more of what changed.
    pub(super) fn lose_track(&self) {
        self.near.forget_all();
    }

    fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Acquire)
    }

    fn tell_once(&self, why: &str) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            let why = why.to_owned();
            exec::aside(move || {
                tracing::warn!(
                    "no copies are kept in this process (option `near`), and the loads of other \
                     processes are waited for by polling: {why}"
                );
            });
        }
    }

    fn tell_of_the_end(&self) {
        // Not of a connection that is tracked before the refusal is tried again.
        if !self.is_refused() && self.is_told.swap(false, Ordering::Relaxed) {
            exec::aside(|| {
                tracing::info!(
                    "the server tracks what is read: copies are kept in this process again"
                );
            });
        }
    }

    fn hear(&self, push: &PushInfo) {
        match push.kind {
            // By the library, when the connection ended.
            PushKind::Disconnection => self.lose_track(),
            PushKind::Invalidate => self.hear_of(&push.data),
            _ => {}
        }
    }

    /// `nil` when everything changed, else the keys, of which there may be many.
    fn hear_of(&self, changed: &[Value]) {
        let mut keys = Vec::new();
        for of in changed {
            let Value::Array(names) = of else {
                return self.lose_track();
            };
            for name in names {
                let Value::BulkString(name) = name else {
                    return self.lose_track();
                };
                keys.extend(self.key(name));
            }
        }
        self.near.forget_texts(keys);
    }

    /// What is not under the prefix was never read here, and neither was what is no text.
    fn key<'a>(&self, name: &'a [u8]) -> Option<&'a str> {
        let name = std::str::from_utf8(name).ok()?;
        self.prefix.strip(name)
    }
}

/// Called where the connection is driven, for each push, before whatever the server sent after it.
struct Pushes(Arc<Changes>);

impl AsyncPushSender for Pushes {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        self.0.hear(&push);
        Ok(())
    }
}

impl Drop for Pushes {
    /// With the connection, also where that ends without a word.
    fn drop(&mut self) {
        self.0.lose_track();
    }
}

/// `None` if the server has said that it does not.
async fn track(mut connection: Connection) -> RedisResult<Option<Connection>> {
    let mut tracking = cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match connection.send_one(&tracking).await {
        Ok(_) => Ok(Some(connection)),
        Err(error) if knows_no_tracking(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the server will never speak RESP3, rather than not now.
fn knows_no_pushes(error: &RedisError) -> bool {
    error.kind() == Kind::RESP3NotSupported
        || matches!(error.code(), Some("NOPROTO" | "NOPERM"))
        || is_unknown_command(error)
}

/// Whether the answer to CLIENT TRACKING is the server's last word.
fn knows_no_tracking(error: &RedisError) -> bool {
    matches!(class(error), Class::ThisCommand | Class::Forbidden) && !is_passing(error)
}
