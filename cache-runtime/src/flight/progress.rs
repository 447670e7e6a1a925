//! Whether the leader of a flight is polled.
//!
//! A leader that was woken and is not polled makes no progress, however long others wait for it: its task
//! is at something else, and that may be the very call that waits. `buffered`, `select!` and a future that
//! is kept for later do that.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

use super::Flight;
use crate::exec::{self, Shielding};

/// The polls of a leader. Its own lock: a waker may be called under any other.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Polls>);

#[derive(Debug, Default)]
struct Polls {
    phase: Phase,
    /// How many leaders there were before this one.
    leader: u32,
    /// How many polls there were.
    count: u32,
    /// The task of the last one.
    task: Option<Task>,
    /// That of the last one, until it is called.
    waker: Option<Waker>,
    /// How many followers in the task of the leader are notified when it is woken.
    watchers: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// It runs, or is not to be polled: a sync body.
    #[default]
    Running,
    /// It runs, and was woken meanwhile.
    RunningWoken,
    Pending,
    /// It was woken, and is to be polled.
    Woken,
}

/// Where a future is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Tokio(tokio::task::Id),
    Thread(ThreadId),
}

impl Task {
    fn current() -> Self {
        match tokio::task::try_id() {
            Some(id) => Self::Tokio(id),
            None => Self::Thread(std::thread::current().id()),
        }
    }
}

/// A leader that was woken and is not polled, by the number of its polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled(u32);

impl Progress {
    pub(super) fn stalled(&self) -> Option<Stalled> {
        let polls = self.polls();
        (polls.phase == Phase::Woken).then_some(Stalled(polls.count))
    }

    /// Nobody leads any more. To be called before anybody can lead anew.
    pub(super) fn end(&self) {
        let ended = {
            let mut polls = self.polls();
            let next = Polls {
                leader: polls.leader.wrapping_add(1),
                count: polls.count,
                watchers: polls.watchers,
                ..Polls::default()
            };
            std::mem::replace(&mut *polls, next)
        };
        // Outside of the lock, since a waker is user code.
        drop(ended);
    }

    fn leader(&self) -> u32 {
        self.polls().leader
    }

    /// Returns whether it is the poll of the leader of now.
    fn begin_poll(&self, leader: u32, waker: &Waker) -> bool {
        let waker = Some(waker.clone());
        let task = Some(Task::current());
        let before = {
            let mut polls = self.polls();
            if polls.leader != leader {
                return false;
            }
            polls.phase = Phase::Running;
            polls.count = polls.count.wrapping_add(1);
            polls.task = task;
            std::mem::replace(&mut polls.waker, waker)
        };
        drop(before);
        true
    }

    fn is_pending(&self, leader: u32) {
        let mut polls = self.polls();
        if polls.leader != leader {
            return;
        }
        polls.phase = match polls.phase {
            Phase::RunningWoken | Phase::Woken => Phase::Woken,
            Phase::Running | Phase::Pending => Phase::Pending,
        };
    }

    /// Returns the waker of the last poll, unless it was called, and the number of that poll.
    fn take_waker(&self) -> Option<(Waker, u32)> {
        let mut polls = self.polls();
        let waker = polls.waker.take()?;
        Some((waker, polls.count))
    }

    /// The waker of this poll was called. Returns whether there are watchers to be notified.
    fn is_woken(&self, poll: u32) -> bool {
        let mut polls = self.polls();
        if polls.count != poll {
            return false;
        }
        polls.phase = match polls.phase {
            Phase::Running | Phase::RunningWoken => Phase::RunningWoken,
            Phase::Pending | Phase::Woken => Phase::Woken,
        };
        polls.watchers > 0
    }

    fn polls(&self) -> MutexGuard<'_, Polls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Flight {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some((waker, poll)) = self.progress.take_waker() else {
            return;
        };
        waker.wake();
        // Only now: a leader whose task was not notified yet cannot be polled.
        if self.progress.is_woken(poll) {
            self.woken.notify_waiters();
        }
    }
}

// Not inlined, so that there is one table of its functions to be known by.
#[inline(never)]
fn waker(flight: Arc<Flight>) -> Waker {
    exec::of_leader(Waker::from(flight))
}

/// A follower in the task of its leader, notified when that is woken.
#[derive(Debug)]
pub(super) struct Watcher(Arc<Flight>);

impl Watcher {
    /// Watches the leader if it is polled by the task that this is called in, and few others watch it: all of them
    /// are polled each time that it is woken.
    pub(super) fn of(flight: &Arc<Flight>) -> Option<Self> {
        const MOST: u32 = 8;
        let task = Task::current();
        let mut polls = flight.progress.polls();
        if polls.task != Some(task) || polls.watchers == MOST {
            return None;
        }
        polls.watchers += 1;
        Some(Self(flight.clone()))
    }

    /// Returns whether the task polls this follower again and again, but not its leader, which was woken: then
    /// nothing ends the wait but this follower.
    pub(super) async fn is_passed_over(&self) -> bool {
        /// At least as often as a combinator polls one of its futures before it polls all others.
        const MOST_POLLS: u32 = 32;
        let progress = &self.0.progress;
        let Some(stalled) = progress.stalled() else {
            return false;
        };
        for _ in 0..MOST_POLLS {
            exec::yield_now().await;
            if progress.stalled() != Some(stalled) {
                return false;
            }
        }
        true
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.progress.polls().watchers -= 1;
        // Another follower may watch now.
        self.0.changed.notify_waiters();
    }
}

/// Polls what a leader does, and records that for its followers.
pub(crate) struct LeaderPolls {
    flight: Arc<Flight>,
    leader: u32,
    /// The waker of the leader is called by those who wake it, and under no lock of theirs.
    shielding: Shielding,
}

impl LeaderPolls {
    /// Those of the leader of now.
    pub(super) fn of(flight: &Arc<Flight>) -> Self {
        Self {
            leader: flight.progress.leader(),
            flight: flight.clone(),
            shielding: Shielding::default(),
        }
    }

    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let (flight, leader) = (&self.flight, self.leader);
        self.shielding.poll(context, |context| {
            if !flight.progress.begin_poll(leader, context.waker()) {
                return poll(context);
            }
            let waker = waker(flight.clone());
            let polled = poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                flight.progress.is_pending(leader);
            }
            polled
        })
    }

    pub(crate) fn run<F: Future>(self, leads: F) -> impl Future<Output = F::Output> {
        Led { polls: self, leads }
    }
}

pin_project_lite::pin_project! {
    struct Led<F> {
        polls: LeaderPolls,
        #[pin]
        leads: F,
    }
}

impl<F: Future> Future for Led<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.polls.poll(context, |context| this.leads.poll(context))
    }
}
