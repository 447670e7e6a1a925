//! The I/O thread: started on first use, replaced when it ended, and tried for again when it could not be
//! started.
//!
//! A process that was forked has none of the threads of its parent. It gets an I/O thread of its own, and
//! never meets what the parent's one was doing.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use super::aside::Aside;
use super::wakers;
use crate::error::{Error, ErrorKind};

/// From one attempt to start the thread to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// An I/O thread, for all that can be asked of it.
pub(super) struct Io {
    pub(super) handle: Handle,
    pub(super) aside: Arc<Aside>,
    process: u32,
    ended: Arc<AtomicBool>,
}

impl Io {
    fn is_alive(&self) -> bool {
        !self.ended.load(Ordering::Acquire) && self.process == std::process::id()
    }
}

/// One I/O thread and its successors. None is ever freed: there are as many as ended. To find the last one takes
/// no lock, which a fork could leave locked for ever.
struct Generation {
    io: OnceLock<Io>,
    next: OnceLock<Box<Self>>,
}

impl Generation {
    const fn new() -> Self {
        Self {
            io: OnceLock::new(),
            next: OnceLock::new(),
        }
    }

    fn last(&'static self) -> &'static Self {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        last
    }
}

static FIRST: Generation = Generation::new();

/// The latest attempt to start the thread.
static ATTEMPT: Mutex<Option<Attempt>> = Mutex::new(None);

struct Attempt {
    process: u32,
    at: Instant,
    failed: Option<io::ErrorKind>,
}

thread_local! {
    static IS_IO: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the I/O thread.
pub(super) fn is_current() -> bool {
    IS_IO.get()
}

/// The I/O thread.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if it cannot be started, and for a second after an attempt to.
pub(super) fn io() -> Result<&'static Io, Error> {
    match running() {
        Some(io) => Ok(io),
        None => start(),
    }
}

/// The I/O thread, if it runs.
pub(super) fn running() -> Option<&'static Io> {
    FIRST.last().io.get().filter(|io| io.is_alive())
}

#[cold]
fn start() -> Result<&'static Io, Error> {
    let (started, is_first_failure) = {
        let mut attempt = ATTEMPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(io) = running() {
            return Ok(io);
        }
        let process = std::process::id();
        let before = attempt.take().filter(|before| before.process == process);
        let had_failed = before.as_ref().and_then(|before| before.failed);
        let is_too_soon = before
            .as_ref()
            .is_some_and(|before| before.at.elapsed() < PAUSE);
        if is_too_soon {
            *attempt = before;
            return Err(unavailable(had_failed));
        }
        let started = start_now(process);
        let failed = started.as_ref().err().map(io::Error::kind);
        *attempt = Some(Attempt {
            process,
            at: Instant::now(),
            failed,
        });
        (started, had_failed.is_none())
    };
    started.map_err(|cause| {
        if is_first_failure {
            super::aside(move || {
                tracing::warn!(
                    %cause,
                    "the I/O thread of the cache cannot be started: annotated functions run their \
                     bodies until it can"
                );
            });
        }
        unavailable(None)
    })
}

fn unavailable(cause: Option<io::ErrorKind>) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        "the I/O thread of the cache cannot be started",
    );
    match cause {
        Some(kind) => error.because(io::Error::from(kind)),
        None => error,
    }
}

fn start_now(process: u32) -> io::Result<&'static Io> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let io = Io {
        handle: runtime.handle().clone(),
        aside: Arc::default(),
        process,
        ended: Arc::default(),
    };
    let ended = Ended(io.ended.clone());
    std::thread::Builder::new()
        .name("cache-io".to_owned())
        .spawn(move || {
            // Before the runtime is: nobody comes any more then.
            let _ended = ended;
            IS_IO.set(true);
            runtime.block_on(async {
                wakers::learn_that_of_root().await;
                tokio::spawn(wakers::learn_that_of_task());
                pending::<()>().await;
            });
        })?;
    let mut last = FIRST.last();
    if last.io.get().is_some() {
        last = last.next.get_or_init(|| Box::new(Generation::new()));
    }
    Ok(last.io.get_or_init(|| io))
}

/// Says so when the thread ends: a panic of the driver is the only way, and takes the timers with it.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::process::Command;
    use std::sync::mpsc;
    use std::task::{Context, Wake, Waker};

    use super::*;

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }

    /// In a process of its own: the timers of all other tests are on that thread.
    #[test]
    fn an_io_thread_that_ended_is_replaced() {
        const ALONE: &str = "TEST_OF_IO_THREAD";
        if std::env::var_os(ALONE).is_none() {
            let mut alone = Command::new(std::env::current_exe().unwrap());
            let name = "exec::thread::tests::an_io_thread_that_ended_is_replaced";
            let alone = alone.args(["--exact", name]).env(ALONE, "1").output();
            let output = alone.unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        let first = io().unwrap();
        let (is_cut, cut) = mpsc::channel::<()>();
        first.handle.spawn(async move {
            let _is_cut = is_cut;
            pending::<()>().await;
        });
        // As no waker is registered there: not one that was wrapped.
        let mut timer = pin!({
            let _inside = first.handle.enter();
            tokio::time::sleep(Duration::from_millis(1))
        });
        let waker = Waker::from(Arc::new(Panics));
        let _ = timer.as_mut().poll(&mut Context::from_waker(&waker));
        // What it was doing is dropped, so that nobody waits for it.
        assert_eq!(cut.recv(), Err(mpsc::RecvError));
        let began = Instant::now();
        let next = loop {
            match io() {
                Ok(next) => break next,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
            assert!(began.elapsed() < 5 * PAUSE, "it is never replaced");
        };
        let (tell, told) = mpsc::channel();
        next.handle
            .spawn(async move { tell.send(is_current()).unwrap() });
        assert_eq!(told.recv(), Ok(true));
    }
}
