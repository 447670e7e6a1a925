//! Wakers of callers, kept from harming who wakes them.
//!
//! A waker is the code of the caller's executor, and may panic or block. A wait for the I/O thread, or for
//! something that callers share, registers a [`Shield`] in its place. That catches a panic, and lets no waker run on
//! the I/O thread.
//!
//! The wakers of tokio and of this crate do neither, and are registered as they are: nearly all callers have
//! one, and pay for a comparison of two pointers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use super::{aside, drop_of_user};

type Kind = OnceLock<&'static RawWakerVTable>;

/// Of a task of tokio.
static TASK: Kind = OnceLock::new();
/// Of what a current-thread runtime of tokio blocks on.
static ROOT: Kind = OnceLock::new();
/// Of a thread that waits in this crate.
static SIGNAL: Kind = OnceLock::new();
static SHIELD: Kind = OnceLock::new();
/// Of the leader of a flight, which calls a waker that is harmless itself.
static LEADER: Kind = OnceLock::new();

fn is_harmless(waker: &Waker) -> bool {
    let is_of = |kind: &Kind| {
        let kind = kind.get();
        kind.is_some_and(|kind| std::ptr::eq(*kind, waker.vtable()))
    };
    is_of(&TASK) || is_of(&SIGNAL) || is_of(&SHIELD) || is_of(&LEADER) || is_of(&ROOT)
}

/// The waker of a leader, known as harmless from now on.
pub(crate) fn of_leader(waker: Waker) -> Waker {
    LEADER.get_or_init(|| waker.vtable());
    waker
}

/// To be spawned by itself on a runtime of tokio: learns what the waker of a task is.
pub(crate) fn learn_that_of_task() -> impl Future<Output = ()> + Send {
    learn(&TASK)
}

/// To be awaited in what a current-thread runtime blocks on, by nothing in between.
pub(super) fn learn_that_of_root() -> impl Future<Output = ()> {
    learn(&ROOT)
}

fn learn(kind: &'static Kind) -> impl Future<Output = ()> + Send {
    poll_fn(|context| {
        kind.get_or_init(|| context.waker().vtable());
        Poll::Ready(())
    })
}

/// The waker of a caller, in the hands of others.
struct Shield(Option<Waker>);

impl Shield {
    // Not inlined, so that there is one table of its functions to be known by.
    #[inline(never)]
    fn waker(self: Arc<Self>) -> Waker {
        let waker = Waker::from(self);
        SHIELD.get_or_init(|| waker.vtable());
        waker
    }

    fn is_of(&self, waker: &Waker) -> bool {
        self.0.as_ref().is_some_and(|of| of.will_wake(waker))
    }
}

impl Wake for Shield {
    fn wake(self: Arc<Self>) {
        aside(move || self.0.iter().for_each(Waker::wake_by_ref));
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        if let Some(of_user) = self.0.take() {
            drop_of_user(of_user);
        }
    }
}

/// A shield, made when it is first needed.
#[derive(Default)]
pub(crate) struct Shielding(Option<Arc<Shield>>);

impl Shielding {
    /// Polls with a waker that harms nobody.
    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let waker = context.waker();
        if is_harmless(waker) {
            return poll(context);
        }
        let shield = match &self.0 {
            Some(shield) if shield.is_of(waker) => shield.clone(),
            _ => {
                let shield = Arc::new(Shield(Some(waker.clone())));
                self.0 = Some(shield.clone());
                shield
            }
        };
        poll(&mut Context::from_waker(&shield.waker()))
    }
}

/// Waits for what others wake the caller for.
pub(crate) async fn shielded<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut shielding = Shielding::default();
    poll_fn(|context| shielding.poll(context, |context| work.as_mut().poll(context))).await
}

/// What a thread of this crate's callers waits for.
#[derive(Default)]
struct Signal {
    is_given: Mutex<bool>,
    given: Condvar,
}

impl Signal {
    #[inline(never)]
    fn waker(self: Arc<Self>) -> Waker {
        let waker = Waker::from(self);
        SIGNAL.get_or_init(|| waker.vtable());
        waker
    }

    fn is_given(&self) -> MutexGuard<'_, bool> {
        self.is_given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let waited = self
            .given
            .wait_while(self.is_given(), |is_given| !*is_given);
        *waited.unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.is_given() = true;
        self.given.notify_one();
    }
}

/// Blocks this thread until the work is done.
pub(super) fn block_on<F: Future>(mut work: Pin<&mut F>) -> F::Output {
    let signal = Arc::<Signal>::default();
    let waker = signal.clone().waker();
    let mut context = Context::from_waker(&waker);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => signal.wait(),
        }
    }
}
