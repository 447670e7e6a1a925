//! Which lane a caller uses.
//!
//! A connection belongs to the runtime that made it. A caller inside a multi-thread runtime uses a
//! lane of that runtime, from its own task: no thread is switched on the way. A lane ends with its
//! runtime. Every other caller uses the lane of the I/O thread: a current-thread runtime may not be
//! driven tomorrow, or have a paused clock; a caller who blocks its thread may keep its runtime
//! from driving anything; and there may be no runtime at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};
use tokio::runtime::{Handle, Id, RuntimeFlavor};

use super::connect::Connector;
use super::lane::{Again, Lane};
use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::owed::Owed;

type Answers = Result<Vec<RedisResult<Value>>, Error>;

type ByRuntime = Mutex<HashMap<Id, Arc<Lane>>>;

#[derive(Debug)]
pub(super) struct Lanes {
    connector: Arc<Connector>,
    prefix: String,
    owed: Arc<Owed>,
    /// Bounds all that one call of [`send`](Self::send) does, connecting included.
    limit: Duration,
    io: Arc<Lane>,
    by_runtime: Arc<ByRuntime>,
}

impl Lanes {
    pub(super) fn new(
        connector: Connector,
        prefix: &str,
        owed: &Arc<Owed>,
        limit: Duration,
    ) -> Self {
        let connector = Arc::new(connector);
        Self {
            io: Arc::new(Lane::new(connector.clone(), prefix, owed)),
            connector,
            prefix: prefix.to_owned(),
            owed: owed.clone(),
            limit,
            by_runtime: Arc::default(),
        }
    }

    /// Sends commands together on the caller's lane; one answer each.
    pub(super) async fn send(&self, commands: Pipeline, again: Again) -> Answers {
        let answers = match self.of_caller() {
            Some(lane) if lane.is_proven() => {
                tokio::time::timeout(self.limit, lane.send(&commands, again))
                    .await
                    .ok()
            }
            Some(lane) => match self.prove(lane, commands.clone(), again).await {
                Some(answers) => answers,
                None => self.send_by_io(commands, again).await?,
            },
            None => self.send_by_io(commands, again).await?,
        };
        answers.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Timeout,
                "redis did not answer in time",
            ))
        })
    }

    async fn send_by_io(&self, commands: Pipeline, again: Again) -> Result<Option<Answers>, Error> {
        let lane = self.io.clone();
        exec::on_io(self.limit, async move { lane.send(&commands, again).await }).await
    }

    /// Sends them in a task of their own: a runtime without a reactor or without timers panics
    /// there, before anything is sent, and is left alone from then on.
    async fn prove(
        &self,
        lane: Arc<Lane>,
        commands: Pipeline,
        again: Again,
    ) -> Option<Option<Answers>> {
        let limit = self.limit;
        let tried = lane.clone();
        let sending = async move { tokio::time::timeout(limit, lane.send(&commands, again)).await };
        match tokio::spawn(sending).await {
            Ok(answers) => Some(answers.ok()),
            Err(_) => {
                tried.mark_unsuitable();
                None
            }
        }
    }

    /// The lane of the I/O thread, where what has no caller is done.
    pub(super) fn io(&self) -> &Arc<Lane> {
        &self.io
    }

    pub(super) async fn close(&self) {
        let lanes: Vec<_> = self.by_runtime().drain().map(|(_, lane)| lane).collect();
        for lane in lanes {
            lane.close().await;
        }
        self.io.close().await;
    }

    /// The lane of the caller's runtime, where its own task can use one.
    fn of_caller(&self) -> Option<Arc<Lane>> {
        if exec::is_waiting() || self.io.is_closed() {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return None;
        }
        let id = runtime.id();
        let mut lanes = self.by_runtime();
        let lane = lanes.entry(id).or_insert_with(|| {
            let lane = Lane::new(self.connector.clone(), &self.prefix, &self.owed);
            let lane = Arc::new(lane);
            // Dropped by the runtime when it ends, and the lane with it.
            let entry = Entry {
                lanes: Arc::downgrade(&self.by_runtime),
                id,
                lane: Arc::downgrade(&lane),
            };
            runtime.spawn(async move {
                let _entry = entry;
                std::future::pending::<()>().await;
            });
            lane
        });
        (!lane.is_unsuitable()).then(|| lane.clone())
    }

    fn by_runtime(&self) -> MutexGuard<'_, HashMap<Id, Arc<Lane>>> {
        lock(&self.by_runtime)
    }
}

fn lock(lanes: &ByRuntime) -> MutexGuard<'_, HashMap<Id, Arc<Lane>>> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lane of an ended runtime off the map. Its number may be another runtime's by then.
struct Entry {
    lanes: Weak<ByRuntime>,
    id: Id,
    lane: Weak<Lane>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(lanes) = self.lanes.upgrade() else {
            return;
        };
        let mut lanes = lock(&lanes);
        let is_ours = |lane: &Arc<Lane>| std::ptr::eq(Arc::as_ptr(lane), self.lane.as_ptr());
        if lanes.get(&self.id).is_some_and(is_ours) {
            lanes.remove(&self.id);
        }
    }
}
