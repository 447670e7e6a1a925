//! Whether this thread is ending: then calls go past the cache.
//!
//! The destructors of thread-locals run in no order that a program knows, and what a call needs may be gone:
//! tokio panics without its own thread-local, and a panic there ends the process.

use tokio::runtime::Handle;

thread_local! {
    static THREAD: Thread = Thread::begin();
}

struct Thread {
    has_tokio: bool,
}

impl Thread {
    /// What is made first is dropped last: as long as this is there, that of tokio is.
    fn begin() -> Self {
        let runtime = Handle::try_current();
        let is_gone = runtime.is_err_and(|error| error.is_thread_local_destroyed());
        Self {
            has_tokio: !is_gone,
        }
    }
}

/// With the thread.
impl Drop for Thread {
    fn drop(&mut self) {}
}

pub(crate) fn is_ending() -> bool {
    THREAD.try_with(|thread| !thread.has_tokio).unwrap_or(true)
}
