//! Where the cache's own futures run, and how a thread waits for one.
//!
//! Connections belong to the runtime that made them and die with it, and a caller's runtime may be
//! gone tomorrow, may have a paused clock, or may not exist. So one thread of this crate, started on
//! first use, does what cannot be done where the caller is: timers, what has no caller, and the
//! talking to Redis of callers whose runtime cannot hold a connection. No code of the user's runs on it.

mod aside;
mod ending;
mod later;
mod thread;
mod wakers;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

pub(crate) use self::ending::is_ending;
pub(crate) use self::later::{Later, later};
pub(crate) use self::wakers::{Shielding, learn_that_of_task, of_leader, shielded};
use crate::error::{Error, ErrorKind};
use crate::guard;

/// Runs `work` on the I/O thread, for at most `limit`. `None` if the limit passed first.
///
/// Dropping the returned future does not end the work, which has its own limit.
pub(crate) async fn on_io<F>(limit: Duration, work: F) -> Result<Option<F::Output>, Error>
where
    F: Future<Output: Send> + Send + 'static,
{
    let handle = io_thread()?;
    let bounded = async move { tokio::time::timeout(limit, work).await.ok() };
    shielded(handle.spawn(bounded)).await.map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the I/O thread of the cache ended").because(cause)
    })
}

/// Runs `work` on the I/O thread and leaves it to itself.
pub(crate) fn spawn_on_io(work: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    io_thread()?.spawn(work);
    Ok(())
}

/// Waits for at most `limit`, by a timer of the I/O thread: the caller's runtime may have none, or a
/// paused clock. `None` if the limit passed first, or at once if there [is no timer](has_timer).
pub(crate) async fn within<F: Future>(limit: Duration, wait: F) -> Option<F::Output> {
    if is_ending() {
        return None;
    }
    let bounded = {
        // A timer belongs to the runtime that it is made in, whoever waits for it.
        let _inside = io_thread().ok()?.enter();
        tokio::time::timeout(limit, wait)
    };
    shielded(bounded).await.ok()
}

/// Returns whether timers work here. A loop of waits must end without them: each would return at once.
pub(crate) fn has_timer() -> bool {
    !is_ending() && io_thread().is_ok()
}

/// The same for work that can go on without its caller: it is handed back if the limit passed first.
pub(crate) async fn within_or_back<T>(limit: Duration, work: Work<T>) -> Result<T, Work<T>> {
    before_or_back(sleep(limit), work).await
}

/// The same until something else ends.
pub(crate) async fn before_or_back<T>(
    end: impl Future<Output = ()>,
    mut work: Work<T>,
) -> Result<T, Work<T>> {
    shielded(until(end, work.as_mut())).await.ok_or(work)
}

pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Leaves work to itself where its connections and timers are: on the caller's runtime, or the I/O
/// thread.
pub(crate) fn go_on(work: impl Future<Output = ()> + Send + 'static) {
    match runtime_of_caller() {
        Some(runtime) => drop(runtime.spawn(work)),
        // Without that thread it has none.
        None => drop(spawn_on_io(work)),
    }
}

/// The same for work that comes to listeners, which are the user's: the I/O thread must not wait for
/// them.
pub(crate) fn go_on_and_tell(work: impl Future<Output = ()> + Send + 'static) {
    match runtime_of_caller() {
        Some(runtime) => drop(runtime.spawn(work)),
        // Without a thread the work is dropped, and with it what it holds is given back.
        None => drop(thread("cache-behind", move || wait(work))),
    }
}

/// A thread that nobody waits for, not even the end of the process.
pub(crate) fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map(drop)
}

/// Drops what is the user's.
pub(crate) fn drop_of_user<T: Send + 'static>(of_user: T) {
    aside(move || drop(of_user));
}

/// Runs what is the user's, who may block, panic and take time in it: a waker, a destructor, or what a line of
/// the log goes to. The I/O thread must not wait for it, and would wait for itself if it makes a call.
pub(crate) fn aside(of_user: impl FnOnce() + Send + 'static) {
    if thread::is_current()
        && let Some(io) = thread::running()
    {
        io.aside.run(&io.handle, Box::new(of_user));
    } else {
        guard::of_user(of_user);
    }
}

/// The same for what may take its time wherever it runs.
pub(crate) fn always_aside(of_user: impl FnOnce() + Send + 'static) {
    match thread::io() {
        Ok(io) => io.aside.run(&io.handle, Box::new(of_user)),
        Err(_) => drop(guard::of_user(of_user)),
    }
}

/// The runtime of the caller, if it goes on while nobody waits for it.
fn runtime_of_caller() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    let goes_on = !is_waiting() && runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
    goes_on.then_some(runtime)
}

pub(crate) async fn sleep(time: Duration) {
    within(time, std::future::pending::<()>()).await;
}

/// Waits for `work` until `end` has ended.
pub(crate) async fn until<F: Future + ?Sized>(
    end: impl Future<Output = ()>,
    mut work: Pin<&mut F>,
) -> Option<F::Output> {
    let mut end = pin!(end);
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Lets the others of this task, and other tasks, be polled first.
pub(crate) async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// About so long, so that those who began to wait together do not ask together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}

/// Waits on this thread, without a runtime and inside of any.
pub(crate) fn wait<F: Future>(work: F) -> F::Output {
    waiting(|| {
        // Unconstrained: a task that has used up its budget would be told to wait for its scheduler,
        // which this very thread is blocking.
        let mut work = pin!(tokio::task::unconstrained(work));
        // What is there at the first look needs nothing that could wake this thread.
        let mut context = Context::from_waker(Waker::noop());
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => done,
            Poll::Pending => wakers::block_on(work),
        }
    })
}

/// Does what goes another way where a thread waits for it.
pub(crate) fn waiting<T>(work: impl FnOnce() -> T) -> T {
    let _waiting = Waiting(WAITING.replace(true));
    work()
}

thread_local! {
    static WAITING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is blocked, or will be: then it may keep its runtime from doing anything, and
/// nothing that needs the runtime may be waited for.
pub(crate) fn is_waiting() -> bool {
    WAITING.get()
}

struct Waiting(bool);

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(self.0);
    }
}

fn io_thread() -> Result<&'static Handle, Error> {
    thread::io().map(|io| &io.handle)
}
