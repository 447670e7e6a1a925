//! The user's code that the I/O thread has to run: a waker, a destructor, what a line of the log goes to. It
//! may block, panic, or make a call that waits for the I/O thread. So it runs on a thread beside it, one piece
//! after the other, and where one blocks, the others go on on another.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::guard;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that is at one piece for so long is left to it.
const PATIENCE: Duration = Duration::from_millis(10);
/// A thread with nothing to do ends after so long.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Aside {
    queue: Mutex<Queue>,
    came: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Which thread serves it, if one does. One that was left to its piece has an older number.
    server: Option<u64>,
    servers: u64,
    /// How many pieces were begun.
    begun: u64,
    is_watched: bool,
}

impl Aside {
    /// For the thread of this runtime, which goes on meanwhile.
    pub(super) fn run(self: &Arc<Self>, runtime: &Handle, job: Job) {
        let (needs_server, needs_watch) = {
            let mut queue = self.queue();
            queue.waiting.push_back(job);
            let is_watched = std::mem::replace(&mut queue.is_watched, true);
            (queue.server.is_none(), !is_watched)
        };
        self.came.notify_one();
        if needs_server {
            self.begin_to_serve();
        }
        if needs_watch {
            runtime.spawn(self.clone().watch());
        }
    }

    fn begin_to_serve(self: &Arc<Self>) {
        let number = {
            let mut queue = self.queue();
            queue.servers += 1;
            queue.server = Some(queue.servers);
            queue.servers
        };
        let aside = self.clone();
        let thread = super::thread("cache-aside", move || aside.serve(number, IDLE));
        if thread.is_err() {
            // Without another thread, a late wake of this one harms less than a wake that never comes.
            self.serve(number, Duration::ZERO);
        }
    }

    fn serve(&self, number: u64, idle: Duration) {
        while let Some(job) = self.next(number, idle) {
            guard::of_user(job);
        }
    }

    fn next(&self, number: u64, idle: Duration) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if queue.server != Some(number) {
                return None;
            }
            if let Some(job) = queue.waiting.pop_front() {
                queue.begun += 1;
                return Some(job);
            }
            let (waited, timeout) = self
                .came
                .wait_timeout(queue, idle)
                .unwrap_or_else(PoisonError::into_inner);
            queue = waited;
            if timeout.timed_out() && queue.waiting.is_empty() && queue.server == Some(number) {
                queue.server = None;
                return None;
            }
        }
    }

    /// As long as something waits, sees to it that the next piece begins.
    async fn watch(self: Arc<Self>) {
        loop {
            let begun = self.queue().begun;
            tokio::time::sleep(PATIENCE).await;
            let is_stuck = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.is_watched = false;
                    return;
                }
                queue.begun == begun
            };
            if is_stuck {
                self.begin_to_serve();
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
