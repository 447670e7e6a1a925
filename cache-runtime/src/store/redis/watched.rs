//! Comparing before replacing by a
//! [transaction](https://redis.io/docs/latest/develop/using-commands/transactions/), where no script
//! can: the keys are watched and read, and what is to be done is done only if nobody touched them
//! since.
//!
//! A watch is of the connection, so that each of these has one for itself, on the I/O thread, where no
//! caller who leaves ends it half way. There are few connections. Those who come while all are in use
//! wait, and go together: one transaction does what each of them wants. If it is undone since somebody
//! touched one of their keys, they part.

mod attempt;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Pipeline, RedisError, RedisResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::attempt::{Attempt, Failed};
use super::connect::{Place, redirected};
use super::exclusive::Exclusive;
use super::failure::{Class, broke, class, ended, late};
use super::health::Health;
use super::lane::{Again, Lane};
use super::lanes::is_large;
use crate::error::Error;
use crate::exec;

/// More connections would only wait at the server.
const MOST_AT_ONCE: usize = 8;
const MOST_TOGETHER: usize = 32;

pub(super) struct Watched {
    connections: Exclusive,
    health: Arc<Health>,
    /// Knows who has which keys.
    lane: Arc<Lane>,
    /// How long all of it may take, connecting included.
    limit: Duration,
    turns: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// What is done where something stands.
pub(super) struct Exchange {
    /// In a cluster, of one slot.
    pub(super) keys: Vec<String>,
    /// What goes with it, whatever stands there.
    pub(super) ends: Option<String>,
    /// Whether that is what stands under them.
    pub(super) holds: Condition,
    pub(super) commands: Pipeline,
    /// Whether they are sent again if their answer is lost.
    pub(super) again: Again,
}

impl Exchange {
    /// What one does would change what the other compares.
    pub(super) fn shares_a_key_with(&self, other: &Self) -> bool {
        let changes = |exchange: &Self, key| {
            exchange.keys.contains(key) || exchange.ends.as_ref() == Some(key)
        };
        self.keys.iter().any(|key| changes(other, key))
            || other.keys.iter().any(|key| changes(self, key))
    }
}

type Condition = Box<dyn Fn(&[Stored]) -> bool + Send + Sync>;

/// What stands under a key.
pub(super) type Stored = Option<Vec<u8>>;

#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    /// Something else stood there, this.
    Left(Vec<Stored>),
    /// The server does not let transactions be.
    Forbidden,
}

struct Waiting {
    exchange: Exchange,
    tell: oneshot::Sender<Told>,
}

type Told = Result<RedisResult<Outcome>, Error>;

impl Waiting {
    fn answer(self, outcome: RedisResult<Outcome>) {
        // Whoever left needs none.
        let _ = self.tell.send(Ok(outcome));
    }

    fn is_large(&self) -> bool {
        is_large(&self.exchange.commands)
    }
}

impl Watched {
    pub(super) fn new(
        connections: Exclusive,
        health: Arc<Health>,
        lane: Arc<Lane>,
        limit: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections,
            health,
            lane,
            limit,
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            waiting: Mutex::default(),
        })
    }

    pub(super) async fn run(self: &Arc<Self>, exchange: Exchange) -> Told {
        self.health.check()?;
        let (tell, told) = oneshot::channel();
        self.waiting().push_back(Waiting { exchange, tell });
        if let Ok(turn) = self.turns.clone().try_acquire_owned() {
            exec::spawn_on_io(self.clone().work(turn))?;
        }
        let told = exec::within(self.limit, told).await.ok_or_else(late)?;
        told.map_err(|_| ended())?
    }

    pub(super) fn close(&self) {
        self.connections.close();
    }

    /// Until nobody waits any more.
    async fn work(self: Arc<Self>, mut turn: OwnedSemaphorePermit) {
        loop {
            while let Some(batch) = self.next() {
                self.settle(batch).await;
            }
            drop(turn);
            // Somebody may have come since the last look, and found no turn.
            if self.waiting().is_empty() {
                return;
            }
            turn = match self.turns.clone().try_acquire_owned() {
                Ok(turn) => turn,
                Err(_) => return,
            };
        }
    }

    /// Those who go together next. In a cluster the keys of each are on another node.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut waiting = self.waiting();
        waiting.retain(|waiting| !waiting.tell.is_closed());
        let mut batch = vec![waiting.pop_front()?];
        let most = match self.lane.is_cluster() || batch[0].is_large() {
            true => 1,
            false => MOST_TOGETHER,
        };
        while batch.len() < most
            && let Some(next) = waiting.front()
            && !next.is_large()
            && !batch
                .iter()
                .any(|other| next.exchange.shares_a_key_with(&other.exchange))
        {
            batch.extend(waiting.pop_front());
        }
        Some(batch)
    }

    /// For the next turn, before all who came later.
    fn give_back(&self, batch: Vec<Waiting>) {
        let mut waiting = self.waiting();
        batch
            .into_iter()
            .rev()
            .for_each(|of| waiting.push_front(of));
    }

    async fn settle(&self, mut batch: Vec<Waiting>) {
        if let Err(error) = self.try_to_settle(&mut batch).await {
            for waiting in batch {
                let _ = waiting.tell.send(Err(error.clone()));
            }
        }
    }

    /// Leaves nobody in the batch, or an error for those who are left.
    async fn try_to_settle(&self, batch: &mut Vec<Waiting>) -> Result<(), Error> {
        // As of any other command: the slot has a new owner, and is on its way to yet another.
        const MOST_REDIRECTIONS: usize = 2;
        let mut redirection = None;
        let mut redirections = 0;
        while let Some(first) = batch.first() {
            let (place, asks) = match redirection.take() {
                Some(redirection) => redirection,
                None => (self.lane.place_of(&first.exchange.keys[0]).await?, false),
            };
            let taken = self.connections.take(&place).await;
            if taken.is_err() && place.is_node() {
                self.lane.ask_for_owners().await;
            }
            let mut held = taken?;
            let was_idle = held.was_idle;
            let attempt = Attempt {
                watched: self,
                place: &place,
                asks,
            };
            let failed = match attempt.make(&mut held.connection, batch).await {
                Ok(()) => {
                    self.connections.keep(held);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let (error, may_be_done) = match failed {
                Failed::Forbidden => {
                    let forbidden = |waiting: Waiting| waiting.answer(Ok(Outcome::Forbidden));
                    batch.drain(..).for_each(forbidden);
                    return Ok(());
                }
                Failed::Looking(error) => (error, false),
                Failed::Acting(error) => (error, true),
            };
            redirection = redirected(&error).filter(|_| redirections < MOST_REDIRECTIONS);
            if redirection.is_some() {
                redirections += 1;
                self.connections.keep(held);
                self.lane.ask_for_owners().await;
                continue;
            }
            // It may have broken long ago, and the next one is another.
            let goes_on = |waiting: &mut Waiting| {
                let again = !may_be_done || waiting.exchange.again == Again::Yes;
                was_idle && broke(&error) && again
            };
            let others = batch.extract_if(.., |waiting| !goes_on(waiting));
            others.for_each(|waiting| waiting.answer(Err(error.clone())));
        }
        Ok(())
    }

    /// What it says of the server that a connection to it did not answer.
    async fn unanswered(&self, error: &RedisError, place: &Place, is_large: bool) {
        if place.is_node() {
            self.lane.ask_for_owners().await;
        } else if class(error) == Class::Late && !is_large {
            self.health.suspect();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}
