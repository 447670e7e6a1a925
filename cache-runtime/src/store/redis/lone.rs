//! The connection of a lone caller.
//!
//! A connection of a lane carries many commands at a time, for which it has a task that drives it and
//! messages to and from that: where there is one caller, they are a seventh of what his read takes. So
//! his own task writes to a socket and waits for what comes.
//!
//! This is a short cut and never the only way: while there is no such connection (one is made behind
//! once lone reads are frequent, and so is one in the place of one that broke or whose caller left
//! before his answer), a lone caller reads by way of the lane. Where redis-rs is needed in between, for
//! TLS, a cluster or sentinels, there is none at all.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{RedisResult, Value};

use super::connect::{Connector, Single};
use super::failure::timed_out;
use super::health::{AsOf, Health};
use super::patience::patiently;
use super::resp::pack_get;
use super::said::Said;
use crate::exec;
use crate::key::OnServer;

/// So many lone reads are worth a connection.
const WORTH_ONE: u32 = 32;
/// From one attempt to connect to the next.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Lone {
    connector: Arc<Connector>,
    health: Arc<Health>,
    free: Mutex<Option<Box<Held>>>,
    /// Reads for which there was none.
    missed: AtomicU32,
    connecting: AtomicBool,
    closed: AtomicBool,
}

struct Held {
    connection: Single,
    as_of: AsOf,
    /// The last command; its room is for the next one.
    command: Vec<u8>,
}

impl Lone {
    pub(super) fn new(connector: Arc<Connector>, health: Arc<Health>) -> Arc<Self> {
        Arc::new(Self {
            connector,
            health,
            free: Mutex::default(),
            missed: AtomicU32::new(0),
            connecting: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// The connection, if there is one that is free. To be called on the runtime of the lane.
    pub(super) fn take(self: &Arc<Self>) -> Option<Taken> {
        let Some(held) = self.free().take() else {
            self.connect_behind();
            return None;
        };
        let lone = self.clone();
        (held.as_of == self.health.as_of()).then_some(Taken { lone, held })
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.free() = None;
    }

    fn keep(&self, held: Box<Held>) {
        let mut free = self.free();
        if !self.closed.load(Ordering::Acquire) {
            *free = Some(held);
        }
    }

    fn connect_behind(self: &Arc<Self>) {
        let missed = self.missed.fetch_add(1, Ordering::Relaxed);
        if missed < WORTH_ONE || self.connecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let lone = Arc::downgrade(self);
        tokio::spawn(async move {
            let Some(connecting) = lone.upgrade() else {
                return;
            };
            if !connecting.connect().await {
                return;
            }
            drop(connecting);
            tokio::time::sleep(PAUSE).await;
            if let Some(lone) = lone.upgrade() {
                lone.connecting.store(false, Ordering::Release);
            }
        });
    }

    /// Whether it may be tried again.
    async fn connect(&self) -> bool {
        let as_of = self.health.as_of();
        let limit = self.connector.connect_limit() + self.connector.response_timeout();
        match patiently(limit, self.connector.connect_single()).await {
            Some(None) => return false,
            Some(Some(Ok(connection))) => self.keep(Box::new(Held {
                connection,
                as_of,
                command: Vec::new(),
            })),
            // The lanes see the same server and say what is the matter with it.
            Some(Some(Err(error))) => {
                exec::aside(move || {
                    tracing::debug!(
                        code = error.code(),
                        "a connection for lone callers was not made"
                    );
                });
            }
            None => exec::aside(|| {
                tracing::debug!("a connection for lone callers was not made in time");
            }),
        }
        true
    }

    fn free(&self) -> MutexGuard<'_, Option<Box<Held>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection while one caller has it. A caller who leaves drops it: what is on its way is nobody's.
pub(super) struct Taken {
    lone: Arc<Lone>,
    held: Box<Held>,
}

impl Taken {
    /// What stands under a key; none if it is to be asked by way of the lane.
    pub(super) async fn ask(self, name: OnServer<'_>) -> Option<RedisResult<Value>> {
        let Self { lone, mut held } = self;
        held.command.clear();
        pack_get(name, &mut held.command);
        let asking = held.connection.ask(&held.command);
        let answer = patiently(lone.connector.response_timeout(), asking).await;
        match Said::by(answer.unwrap_or_else(|| Err(timed_out())), &lone.health) {
            Said::Answer(answer) => {
                lone.keep(held);
                Some(answer)
            }
            Said::Late(error) => Some(Err(error)),
            Said::Nothing => None,
        }
    }
}
