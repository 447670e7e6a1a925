//! Reads that are there together travel together.
//!
//! A lone caller sends its GET from its own task at once. While reads are under way, those that come in
//! one turn of the scheduler go out as one MGET, in the next: one command for the server to parse and one
//! write for the connection, for up to 128 of them. However many are under way, no read waits for an answer
//! in order to be sent, with two exceptions:
//! - a server that is so near that its answer is there before a batch is full: then the batch gathers
//!   more;
//! - large values: of these no more bytes are under way than may be answered within one deadline.
//!
//! In a cluster there are no batches: the keys are on several nodes, and each node has a connection of its
//! own that sends what comes in meanwhile in one write.

mod answer_time;
mod sender;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use redis::Pipeline;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::answer_time::AnswerTime;
use self::sender::Sending;
use super::batch::{Joined, Queue, Waiter, Wanted};
use super::failure::{ended, unfit};
use super::home::Home;
use super::lane::{Again, Lane};
use super::lone::Lone;
use super::replies::{get, string, time_left};
use super::watch::Watched;
use crate::error::Error;
use crate::key::OnServer;
use crate::size::Size;
use crate::store::{Found, Left};

/// The reads of one lane.
pub(super) struct Reads {
    lane: Arc<Lane>,
    /// For a read beside which no other is under way.
    lone: Option<Arc<Lone>>,
    queue: Mutex<Queue>,
    /// A batch was answered.
    answered: Notify,
    answers: AnswerTime,
    /// How long one answer may take, where a first connection has to be made for it.
    limit: Duration,
    /// The runtime of the lane, but for the I/O thread: no code of a user's blocks that.
    home: Option<Arc<Home>>,
}

/// A server that is well and near answers much sooner.
pub(super) const USUAL: Duration = Duration::from_millis(5);

impl Reads {
    pub(super) fn new(lane: Arc<Lane>, limit: Duration, home: Option<Arc<Home>>) -> Self {
        Self {
            lane,
            lone: None,
            queue: Mutex::default(),
            answered: Notify::new(),
            answers: AnswerTime::default(),
            limit,
            home,
        }
    }

    pub(super) fn with_lone(self, lone: Arc<Lone>) -> Self {
        Self {
            lone: Some(lone),
            ..self
        }
    }

    /// Lets more large values out at once while those that were expected to be large turn out small.
    pub(super) fn growing(self) -> Self {
        Self {
            queue: Mutex::new(Queue::growing()),
            ..self
        }
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(super) fn close(&self) {
        self.lane.close();
        if let Some(lone) = &self.lone {
            lone.close();
        }
    }

    /// What stands under a key. To be polled on the runtime of the lane.
    pub(super) fn get<'a>(self: &Arc<Self>, wanted: Wanted<'a>) -> Get<'a> {
        Get {
            reads: self.clone(),
            wanted,
            state: State::New,
        }
    }

    /// What one caller asks a cluster for.
    async fn get_alone(self: Arc<Self>, name: String, left: bool) -> Result<Found, Error> {
        let name = OnServer::whole(&name);
        let mut commands = Pipeline::with_capacity(2);
        commands.add_command(get(name));
        if left {
            commands.cmd("PTTL").arg(name);
        }
        let mut deadline = self.lane.deadline();
        let sending = self.lane.send(&commands, Again::Yes, &mut deadline);
        let mut answers = sending.await?.into_iter();
        let json = string(answers.next().ok_or_else(unfit)?)?;
        Ok(Found {
            json,
            left: answers.next().map_or(Ok(Left::Unknown), time_left)?,
            waited: deadline.waited(),
            watched: false,
        })
    }

    /// A read that no batch is needed for: nothing else is under way, and a connection is free.
    fn alone<'a>(self: &Arc<Self>, wanted: Wanted<'a>) -> Option<Alone<'a>> {
        let lone = self.lone.as_ref()?;
        // What may be large is under way until its answer, and its caller may not look at it any more.
        if wanted.left || wanted.size != Size::Small || !self.queue().begin_alone() {
            return None;
        }
        let ending = (Ending(self.clone()), self.watched());
        let connection = lone.take()?;
        let deadline = self.lane.deadline();
        Some(Box::pin(async move {
            let _ending = ending;
            let answer = connection.ask(wanted.name).await?;
            Some(string(answer).map(|json| Found {
                json,
                waited: deadline.waited(),
                ..Found::default()
            }))
        }))
    }

    /// Sends what waits longer than this for a turn of its sender, which may be next on a worker that a caller
    /// blocks.
    pub(super) fn send_if_late(self: &Arc<Self>, long: Duration) {
        let is_late = self.queue().is_sender_late(long);
        if let Some(home) = self.home.as_ref().filter(|_| is_late) {
            home.runtime().spawn(Sending::of(self).run());
        }
    }

    fn watched(&self) -> Option<Watched> {
        self.home.as_ref().map(Watched::on)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller's read. A future of few words, since it is part of the future of each annotated call.
pub(crate) struct Get<'a> {
    reads: Arc<Reads>,
    wanted: Wanted<'a>,
    state: State<'a>,
}

/// None if it is to be asked for with others.
type Alone<'a> = Pin<Box<dyn Future<Output = Option<Result<Found, Error>>> + Send + 'a>>;

enum State<'a> {
    New,
    Alone(Alone<'a>),
    Waiting(Waiter),
    OfCluster(JoinHandle<Result<Found, Error>>),
}

impl<'a> Get<'a> {
    fn begin(&self, context: &Context<'_>) -> State<'a> {
        let (reads, wanted) = (&self.reads, self.wanted);
        if reads.lane.is_cluster() {
            // Together, those of a node that is away would take the others with them. A task of its own
            // wakes the connection: the worker of the caller may be blocked next.
            let (name, left) = (wanted.name.to_string(), wanted.left);
            let watched = reads.watched();
            let getting = reads.clone().get_alone(name, left);
            return State::OfCluster(tokio::spawn(async move {
                let _watched = watched;
                getting.await
            }));
        }
        match reads.alone(wanted) {
            Some(alone) => State::Alone(alone),
            None => State::Waiting(self.join(context)),
        }
    }

    fn join(&self, context: &Context<'_>) -> Waiter {
        let reads = &self.reads;
        let Joined {
            waiter,
            needs_sender,
        } = reads.queue().join(self.wanted, context.waker());
        if needs_sender {
            tokio::spawn(Sending::of(reads).run());
        }
        waiter
    }
}

impl Future for Get<'_> {
    type Output = Result<Found, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.state = match &mut self.state {
                State::New => self.begin(context),
                State::Alone(alone) => match ready!(alone.as_mut().poll(context)) {
                    Some(answer) => return Poll::Ready(answer),
                    None => State::Waiting(self.join(context)),
                },
                State::Waiting(waiter) => return Pin::new(waiter).poll(context),
                State::OfCluster(task) => {
                    let answer = ready!(Pin::new(task).poll(context));
                    return Poll::Ready(answer.unwrap_or_else(|_| Err(ended())));
                }
            }
        }
    }
}

/// Ends a lone read, also when its caller leaves half way.
struct Ending(Arc<Reads>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue().end_alone();
    }
}
