//! Connections with one user at a time, for commands that mean something to those after them.
//!
//! They belong to the I/O thread, and there are as many of them as were needed at once. One is kept
//! only by a user who came to an end with it: who knows what another left. What is wrong with the
//! server is found out by the lanes, which see the same one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connect::{Connection, Connector, Place};
use super::debts::Debts;
use super::failure::{late, told};
use super::health::{AsOf, Health};
use super::link::{closed, out_of_reach};
use super::patience::patiently;
use crate::error::Error;

/// Nobody asks them for a sign of life, so that one that was idle for longer may have been forgotten
/// by whatever is in between.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

pub(super) struct Exclusive {
    connector: Arc<Connector>,
    health: Arc<Health>,
    debts: Debts,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    held: Vec<Held>,
    closed: bool,
}

/// A connection, for who has it.
pub(super) struct Held {
    pub(super) connection: Connection,
    /// It may have broken meanwhile, unnoticed.
    pub(super) was_idle: bool,
    place: Place,
    as_of: AsOf,
    used: Instant,
}

impl Exclusive {
    pub(super) fn new(connector: Arc<Connector>, health: Arc<Health>, debts: Debts) -> Self {
        Self {
            connector,
            health,
            debts,
            idle: Mutex::default(),
        }
    }

    /// The one that was used last, or a new one.
    pub(super) async fn take(&self, place: &Place) -> Result<Held, Error> {
        self.health.check()?;
        match self.idle_at(place)? {
            Some(held) => Ok(held),
            None => self.connect(place).await,
        }
    }

    fn idle_at(&self, place: &Place) -> Result<Option<Held>, Error> {
        let (as_of, mut idle) = (self.health.as_of(), self.idle());
        if idle.closed {
            return Err(closed());
        }
        idle.held
            .retain(|held| held.as_of == as_of && held.used.elapsed() < LONGEST_IDLE);
        let last = idle.held.iter().rposition(|held| held.place == *place);
        Ok(last.map(|last| idle.held.remove(last)))
    }

    /// For who comes next.
    pub(super) fn keep(&self, held: Held) {
        let mut idle = self.idle();
        if !idle.closed {
            idle.held.push(Held {
                was_idle: true,
                used: Instant::now(),
                ..held
            });
        }
    }

    pub(super) fn close(&self) {
        let held = {
            let mut idle = self.idle();
            idle.closed = true;
            std::mem::take(&mut idle.held)
        };
        drop(held);
    }

    async fn connect(&self, place: &Place) -> Result<Held, Error> {
        if self.health.is_in_doubt() {
            return Err(out_of_reach());
        }
        let as_of = self.health.as_of();
        let connecting = self.connector.connect_alone(place);
        let connected = patiently(self.connector.connect_timeout(), connecting).await;
        let connected = connected.ok_or_else(late)?;
        let mut connection = connected.map_err(|error| self.health.look_at_connecting(&error))?;
        // In a cluster that is done by who knows where each of the keys is.
        if !self.connector.is_cluster() {
            let made_up = self.debts.make_up(&mut connection).await;
            made_up.map_err(|error| {
                self.health.look_at(&error);
                told(error)
            })?;
        }
        Ok(Held {
            connection,
            was_idle: false,
            place: place.clone(),
            as_of,
            used: Instant::now(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}
