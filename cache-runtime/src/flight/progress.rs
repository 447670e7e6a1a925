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

use tokio::sync::Notify;

use super::Flight;
use crate::exec::{self, Shielding};

/// The polls of one leader.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// With a lock of its own: a waker may be called under any other.
    polls: Mutex<Polls>,
    /// The leader was woken.
    pub(super) woken: Notify,
}

#[derive(Debug, Default)]
struct Polls {
    phase: Phase,
    /// How many there were.
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
    /// It runs, or is not to be polled: a sync body, or what goes on in another task.
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

/// A leader that was woken after this poll and is not polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled(u32);

impl Progress {
    pub(super) fn stalled(&self) -> Option<Stalled> {
        let polls = self.polls();
        (polls.phase == Phase::Woken).then_some(Stalled(polls.count))
    }

    fn begin_poll(&self, waker: &Waker) {
        let waker = Some(waker.clone());
        let task = Some(Task::current());
        let before = {
            let mut polls = self.polls();
            polls.phase = Phase::Running;
            polls.count = polls.count.wrapping_add(1);
            polls.task = task;
            std::mem::replace(&mut polls.waker, waker)
        };
        // Outside of the lock, since a waker is user code.
        drop(before);
    }

    fn is_pending(&self) {
        let mut polls = self.polls();
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
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some((waker, poll)) = self.take_waker() else {
            return;
        };
        waker.wake();
        // Only now: a leader whose task was not notified yet cannot be polled.
        if self.is_woken(poll) {
            self.woken.notify_waiters();
        }
    }
}

// Not inlined, so that there is one table of its functions to be known by.
#[inline(never)]
fn waker(progress: Arc<Progress>) -> Waker {
    exec::of_leader(Waker::from(progress))
}

/// A follower in the task of its leader, notified when that is woken.
#[derive(Debug)]
pub(super) struct Watcher {
    flight: Arc<Flight>,
    progress: Arc<Progress>,
}

impl Watcher {
    /// Watches the leader if it is polled by the task that this is called in, and few others watch it: all of them
    /// are polled each time that it is woken.
    pub(super) fn of(flight: &Arc<Flight>) -> Option<Self> {
        const MOST: u32 = 8;
        let task = Task::current();
        let progress = flight.progress();
        {
            let mut polls = progress.polls();
            if polls.task != Some(task) || polls.watchers == MOST {
                return None;
            }
            polls.watchers += 1;
        }
        Some(Self {
            flight: flight.clone(),
            progress,
        })
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Returns whether the task polls this follower again and again, but not its leader, which was woken: then
    /// nothing ends the wait but this follower.
    pub(super) async fn is_passed_over(&self) -> bool {
        /// At least as often as a combinator polls one of its futures before it polls all others.
        const MOST_POLLS: u32 = 32;
        let progress = &self.progress;
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
        self.progress.polls().watchers -= 1;
        // Another follower may watch now.
        self.flight.changed.notify_waiters();
    }
}

/// Polls what a leader does, and records that for its followers.
pub(crate) struct LeaderPolls {
    progress: Arc<Progress>,
    /// The waker of the leader is called by those who wake it, and under no lock of theirs.
    shielding: Shielding,
}

impl LeaderPolls {
    /// Those of the leader of now.
    pub(super) fn of(flight: &Flight) -> Self {
        Self {
            progress: flight.progress(),
            shielding: Shielding::default(),
        }
    }

    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let progress = &self.progress;
        self.shielding.poll(context, |context| {
            progress.begin_poll(context.waker());
            let waker = waker(progress.clone());
            let polled = poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                progress.is_pending();
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::time::Duration;

    use super::super::{Board, Boarded, Leader};
    use super::*;
    use crate::key::Key;

    #[derive(Default)]
    struct Counts(AtomicU32);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn leader(board: &Board) -> Leader {
        match board.board(&Key::raw("progress"), Duration::MAX) {
            Boarded::Leader(leader) => leader,
            Boarded::Follower(_) => panic!("somebody leads"),
        }
    }

    /// Polls what registers its waker and is pending.
    fn poll(polls: &mut LeaderPolls, task: &Arc<Counts>, during: impl FnOnce()) -> Waker {
        let mut registered = None;
        let task = Waker::from(task.clone());
        let polled = polls.poll(&mut Context::from_waker(&task), |context| {
            during();
            registered = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        registered.unwrap()
    }

    #[test]
    fn a_leader_is_woken_after_it_landed() {
        let (board, task) = (Board::default(), Arc::<Counts>::default());
        let leader = leader(&board);
        let mut polls = leader.polls();
        let waker = poll(&mut polls, &task, || leader.land());
        waker.wake();
        assert_eq!(task.0.load(SeqCst), 1);
    }

    #[test]
    fn two_leaders_of_a_flight_are_woken() {
        let (board, tasks) = (Board::default(), [(); 2].map(|()| Arc::<Counts>::default()));
        let first = leader(&board);
        let member = first.member.board.member(&first.member.flight);
        member.flight.state().members += 1;
        let mut polls = first.polls();
        let of_first = poll(&mut polls, &tasks[0], || first.fail());
        let mut polls = Leader::new(member).polls();
        let of_second = poll(&mut polls, &tasks[1], || {});
        of_first.wake();
        of_second.wake();
        assert_eq!(tasks.map(|task| task.0.load(SeqCst)), [1, 1]);
    }

    #[test]
    fn a_woken_leader_stalls_until_polled() {
        let (board, task) = (Board::default(), Arc::<Counts>::default());
        let leader = leader(&board);
        let progress = || leader.member.flight.progress();
        let mut polls = leader.polls();
        assert_eq!(progress().stalled(), None);
        let waker = poll(&mut polls, &task, || {});
        assert_eq!(progress().stalled(), None);
        waker.wake_by_ref();
        assert!(progress().stalled().is_some());
        let waker = poll(&mut polls, &task, || assert_eq!(progress().stalled(), None));
        assert_eq!(progress().stalled(), None);
        // Woken during its poll.
        poll(&mut polls, &task, || waker.wake());
        assert!(progress().stalled().is_some());
    }
}
