//! Work that begins after a while, unless it is not needed any more by then.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Sleep, sleep};

use super::{io_thread, is_ending};
use crate::error::{Error, ErrorKind};

/// Runs `work` on the I/O thread from `delay` on, for as long as the returned value lives.
///
/// Nothing but a timer is made of it before: to hand a task to that thread and to take it back costs
/// more than the rest of a load, and nearly every load is over long before.
pub(crate) fn later(
    delay: Duration,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<Later, Error> {
    if is_ending() {
        return Err(Error::new(ErrorKind::Unavailable, "the thread is ending"));
    }
    let runtime = io_thread()?;
    let work = Arc::new(Work {
        runtime: runtime.clone(),
        state: Mutex::new(State::Waits(Box::pin(work))),
    });
    let mut delay = {
        // A timer belongs to the runtime that it is made in.
        let _inside = runtime.enter();
        Box::pin(sleep(delay))
    };
    // A timer is set when it is first asked, and wakes who asked.
    let waker = Waker::from(work.clone());
    if delay
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
    {
        waker.wake();
    }
    Ok(Later {
        work,
        _delay: delay,
    })
}

/// Work that ends with this value, begun or not.
pub(crate) struct Later {
    work: Arc<Work>,
    _delay: Pin<Box<Sleep>>,
}

struct Work {
    runtime: Handle,
    state: Mutex<State>,
}

enum State {
    Waits(Pin<Box<dyn Future<Output = ()> + Send>>),
    Runs(AbortHandle),
    Over,
}

impl Work {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Work {
    /// The delay is over.
    fn wake(self: Arc<Self>) {
        let mut state = self.state();
        *state = match std::mem::replace(&mut *state, State::Over) {
            State::Waits(work) => State::Runs(self.runtime.spawn(work).abort_handle()),
            other => other,
        };
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.work.state(), State::Over);
        if let State::Runs(task) = state {
            task.abort();
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    #[test]
    fn work_begins_after_its_delay_and_not_before() {
        let (tell, began) = mpsc::channel();
        let since = std::time::Instant::now();
        let later = later(DELAY, async move { tell.send(since.elapsed()).unwrap() }).unwrap();
        assert!(began.recv().unwrap() >= DELAY);
        drop(later);
    }

    #[test]
    fn work_that_is_let_go_of_before_never_begins_and_is_dropped_at_once() {
        let (tell, began) = mpsc::channel();
        drop(later(DELAY, async move { tell.send(()).unwrap() }).unwrap());
        assert_eq!(began.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn work_that_is_let_go_of_under_way_ends() {
        let (tell, began) = mpsc::channel();
        let endless = async move {
            tell.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(tell);
        };
        let later = later(DELAY, endless).unwrap();
        began.recv().unwrap();
        drop(later);
        assert_eq!(began.recv(), Err(mpsc::RecvError));
    }
}
