//! Where the cache's own futures run, and how a thread waits for one.
//!
//! Connections belong to the runtime that made them and die with it, and a caller's runtime may be
//! gone tomorrow, may have a paused clock, or may not exist. So one thread of this crate, started on
//! first use, does what cannot be done where the caller is: timers, what has no caller, and the
//! talking to Redis of callers whose runtime cannot hold a connection.

mod later;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};

pub(crate) use self::later::{Later, later};
use crate::error::{Error, ErrorKind};

/// Runs `work` on the I/O thread, for at most `limit`. `None` if the limit passed first.
///
/// Dropping the returned future does not end the work, which has its own limit.
pub(crate) async fn on_io<F>(limit: Duration, work: F) -> Result<Option<F::Output>, Error>
where
    F: Future<Output: Send> + Send + 'static,
{
    let handle = io_thread()?;
    let bounded = async move { tokio::time::timeout(limit, work).await.ok() };
    handle.spawn(bounded).await.map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the I/O thread of the cache ended").because(cause)
    })
}

/// Runs `work` on the I/O thread and leaves it to itself.
pub(crate) fn spawn_on_io(work: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    io_thread()?.spawn(work);
    Ok(())
}

/// Waits for at most `limit`, by a timer of the I/O thread: the caller's runtime may have none, or a
/// paused clock. `None` if the limit passed first.
pub(crate) async fn within<F: Future>(limit: Duration, wait: F) -> Option<F::Output> {
    let bounded = {
        // A timer belongs to the runtime that it is made in, whoever waits for it.
        let _inside = io_thread().ok()?.enter();
        tokio::time::timeout(limit, wait)
    };
    bounded.await.ok()
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
    until(end, work.as_mut()).await.ok_or(work)
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
        None => {
            if let Ok(runtime) = io_thread() {
                runtime.spawn_blocking(move || wait(work));
            }
        }
    }
}

/// Drops what is the user's.
pub(crate) fn drop_of_user<T: Send + 'static>(of_user: T) {
    aside(move || drop(of_user));
}

/// Runs what is the user's, who may block and take time in it: a destructor, or what a line of the log
/// goes to. The I/O thread must not wait for it, and would wait for itself if it makes a call.
pub(crate) fn aside(of_user: impl FnOnce() + Send + 'static) {
    if IS_IO.get()
        && let Ok(runtime) = io_thread()
    {
        runtime.spawn_blocking(of_user);
    } else {
        of_user();
    }
}

/// The runtime of the user's code that runs here: a destructor or a listener may be called on a thread
/// of the I/O thread's own, and what the user's code begins there is none of that runtime's business.
pub(crate) fn runtime_of_user() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    let is_ours = matches!(IO.get(), Some(Ok(io)) if io.id() == runtime.id());
    (!is_ours).then_some(runtime)
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
            Poll::Pending => pollster::block_on(work),
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
    static IS_IO: Cell<bool> = const { Cell::new(false) };
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

static IO: OnceLock<Result<Handle, io::ErrorKind>> = OnceLock::new();

fn io_thread() -> Result<&'static Handle, Error> {
    IO.get_or_init(|| start().map_err(|cause| cause.kind()))
        .as_ref()
        .map_err(|kind| {
            Error::new(
                ErrorKind::Unavailable,
                "the I/O thread of the cache cannot be started",
            )
            .because(io::Error::from(*kind))
        })
}

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("cache-io".to_owned())
        .spawn(move || {
            IS_IO.set(true);
            runtime.block_on(std::future::pending::<()>())
        })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_runtime_is_the_users_unless_it_is_that_of_the_io_thread() {
        assert!(runtime_of_user().is_none());
        let (tell, told) = mpsc::channel();
        let of_user = move || tell.send(runtime_of_user().is_some()).unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { of_user() });
        assert_eq!(told.recv(), Ok(true));
        // As a destructor or a listener is called.
        io_thread().unwrap().spawn_blocking(of_user);
        assert_eq!(told.recv(), Ok(false));
    }
}
