//! Who waits for which keys, and what goes out together: decides, and sends nothing.
//!
//! A batch is one object for all of its callers, so that a call allocates nothing to wait. It is
//! sealed when it is sent: nobody joins a read that is on the wire, since an invalidation may have
//! come, and returned, after it.

mod meeting;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use self::meeting::Batch;
pub(super) use self::meeting::Waiter;
pub(super) use self::window::UnderWay;
use self::window::{MOST_BYTES, Window};
use crate::error::Error;
use crate::key::OnServer;
use crate::size::{LARGE, Size};
use crate::store::Found;

pub(super) const MOST_KEYS: usize = 128;
/// Fewer keys under way are not worth waiting for an answer, however near the server is.
const WORTH_GATHERING: usize = 8;
/// As many as that go out without waiting for more.
const ENOUGH: usize = 64;

/// What one caller asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) name: OnServer<'a>,
    /// And for how long it stays yet.
    pub(super) left: bool,
    pub(super) size: Size,
}

/// A batch that others may join.
#[derive(Default)]
struct Open {
    batch: Arc<Batch>,
    /// The keys, one behind the other.
    names: Vec<u8>,
    members: Vec<Member>,
    /// Bytes that its large values are expected to have together.
    room: usize,
    /// When the first of them came.
    joined: Option<Instant>,
}

/// Where a key ends, and whether its time is asked for.
#[derive(Clone, Copy)]
struct Member {
    end: usize,
    left: bool,
}

impl Open {
    fn with_room_for(keys: usize) -> Self {
        const USUAL_KEY: usize = 48;
        Self {
            batch: Arc::new(Batch::with_room_for(keys)),
            names: Vec::with_capacity(keys * USUAL_KEY),
            members: Vec::with_capacity(keys),
            room: 0,
            joined: None,
        }
    }

    fn join(&mut self, wanted: Wanted<'_>, waker: &Waker) -> Waiter {
        wanted.name.write_to(&mut self.names);
        let (end, left) = (self.names.len(), wanted.left);
        self.members.push(Member { end, left });
        self.room = self.room.saturating_add(wanted.size.room());
        // One look at the clock a batch: whoever comes later waits for no longer.
        self.joined.get_or_insert_with(Instant::now);
        Waiter::at(&self.batch, waker)
    }

    fn has_room_for(&self, size: Size) -> bool {
        self.members.is_empty() || self.room.saturating_add(size.room()) <= MOST_BYTES
    }

    fn seal(self) -> Sealed {
        Sealed {
            // Those who left meanwhile want no answer.
            wanted: self.batch.who_waits(),
            batch: self.batch,
            names: self.names,
            members: self.members,
            room: self.room,
            joined: self.joined,
        }
    }
}

/// A batch that is sent. Dropped without an answer, since its runtime ended, it says so.
pub(super) struct Sealed {
    batch: Arc<Batch>,
    names: Vec<u8>,
    members: Vec<Member>,
    /// The places of those who still wait.
    wanted: Vec<usize>,
    /// Bytes that its large values are expected to have together.
    room: usize,
    joined: Option<Instant>,
}

impl Sealed {
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether it may be answered with large values.
    pub(super) fn is_heavy(&self) -> bool {
        self.room > 0
    }

    /// When the first of its callers came.
    pub(super) fn joined(&self) -> Instant {
        self.joined.unwrap_or_else(Instant::now)
    }

    /// The keys of those who wait, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.wanted.iter().map(|&index| self.name(index))
    }

    /// Whether each of those who wait asks for the time, in their order.
    pub(super) fn lefts(&self) -> impl Iterator<Item = bool> + '_ {
        self.wanted.iter().map(|&index| self.members[index].left)
    }

    pub(super) fn name_bytes(&self) -> usize {
        self.names.len()
    }

    fn name(&self, index: usize) -> &[u8] {
        let begin = match index.checked_sub(1) {
            Some(before) => self.members[before].end,
            None => 0,
        };
        &self.names[begin..self.members[index].end]
    }

    /// Answers each, in the order of the keys.
    pub(super) fn answer(&self, found: Result<Vec<Result<Found, Error>>, Error>) {
        let found = found.map(|found| self.wanted.iter().copied().zip(found));
        self.batch.answer(self.members.len(), found);
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.batch.end();
    }
}

/// What waits and what is under way.
#[derive(Default)]
pub(super) struct Queue {
    full: VecDeque<Open>,
    open: Open,
    sender: Sender,
    /// Whether a lone read is on the wire.
    is_alone: bool,
    window: Window,
}

/// What becomes of what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sender {
    /// Nothing waits.
    #[default]
    None,
    /// It is sent in the next turn of the scheduler.
    Scheduled,
    /// It waits for an answer to others first.
    Waiting,
}

/// One more who waits.
pub(super) struct Joined {
    pub(super) waiter: Waiter,
    /// Somebody must send what waits.
    pub(super) needs_sender: bool,
}

/// What a sender does next.
pub(super) enum Next {
    Send(Sealed),
    /// The same, and it is done then.
    SendLast(Sealed),
    /// Waits for an answer: meanwhile more keys come, for the same batch.
    Gather,
    /// Waits for an answer: with these values, more would be under way than one deadline allows. The first
    /// of those who wait came then.
    MakeRoom(Instant),
    Done,
}

impl Queue {
    /// The queue of values of which it is not known whether they are large.
    pub(super) fn growing() -> Self {
        Self {
            window: Window::growing(),
            ..Self::default()
        }
    }

    /// Whether nothing else is under way: then a read needs no batch.
    pub(super) fn begin_alone(&mut self) -> bool {
        if self.sender != Sender::None || self.is_alone || !self.window.is_empty() {
            return false;
        }
        self.is_alone = true;
        true
    }

    pub(super) fn end_alone(&mut self) {
        self.is_alone = false;
    }

    pub(super) fn join(&mut self, wanted: Wanted<'_>, waker: &Waker) -> Joined {
        if !self.open.has_room_for(wanted.size) {
            self.close();
        }
        let waiter = self.open.join(wanted, waker);
        if self.open.members.len() == MOST_KEYS {
            self.close();
        }
        let needs_sender = self.sender == Sender::None;
        if needs_sender {
            self.sender = Sender::Scheduled;
        }
        Joined {
            waiter,
            needs_sender,
        }
    }

    /// For its sender, which gathers more where that pays.
    pub(super) fn next(&mut self, gathers: bool) -> Next {
        while self.waiting() > 0 {
            self.sender = Sender::Waiting;
            if gathers && self.is_gathering_worth_it() {
                return Next::Gather;
            }
            if let Some(joined) = self.first_without_room() {
                return Next::MakeRoom(joined);
            }
            self.sender = Sender::Scheduled;
            let sealed = self.seal_first();
            if sealed.len() == 0 {
                continue;
            }
            self.window.begin(UnderWay::of(&sealed));
            if self.waiting() > 0 {
                return Next::Send(sealed);
            }
            self.sender = Sender::None;
            return Next::SendLast(sealed);
        }
        self.sender = Sender::None;
        Next::Done
    }

    /// Whether what waits has waited for so long for a turn of its sender.
    pub(super) fn is_sender_late(&self, long: Duration) -> bool {
        let joined = self.first().joined;
        self.sender == Sender::Scheduled && joined.is_some_and(|joined| joined.elapsed() >= long)
    }

    /// The first batch, if it still may not be sent beside what is under way.
    pub(super) fn without_room(&mut self) -> Option<Sealed> {
        self.first_without_room().map(|_| self.seal_first())
    }

    fn first(&self) -> &Open {
        self.full.front().unwrap_or(&self.open)
    }

    fn seal_first(&mut self) -> Sealed {
        let full = self.full.pop_front();
        full.unwrap_or_else(|| self.take_open()).seal()
    }

    fn is_gathering_worth_it(&self) -> bool {
        self.window.keys() >= WORTH_GATHERING && self.waiting() < ENOUGH
    }

    /// When the first caller of the first batch came, if its values have no room beside those under way.
    fn first_without_room(&self) -> Option<Instant> {
        let first = self.first();
        let has_room = self.window.has_room_for(first.room);
        first.joined.filter(|_| !has_room)
    }

    /// The largest value of a batch whose values might have been large.
    pub(super) fn saw(&mut self, largest: usize) {
        match largest <= LARGE {
            true => self.window.widen(),
            false => self.window.narrow(),
        }
    }

    /// An answer was late, or none.
    pub(super) fn narrow(&mut self) {
        self.window.narrow();
    }

    /// A batch was answered, or is given up.
    pub(super) fn end(&mut self, ended: UnderWay) {
        self.window.end(ended);
        // The next are of another function, or much later.
        if self.window.is_empty() && self.waiting() == 0 {
            self.window.narrow();
        }
    }

    /// A sender ends before it was done, since its runtime does: what waits is not sent.
    pub(super) fn abandon(&mut self) -> Vec<Sealed> {
        self.sender = Sender::None;
        let open = self.take_open();
        let waiting = self.full.drain(..).chain([open]);
        waiting.map(Open::seal).collect()
    }

    fn close(&mut self) {
        let full = self.take_open();
        self.full.push_back(full);
    }

    fn take_open(&mut self) -> Open {
        let next = Open::with_room_for(self.open.members.len());
        std::mem::replace(&mut self.open, next)
    }

    /// At most: of large values there are fewer in a batch that is full.
    fn waiting(&self) -> usize {
        self.full.len() * MOST_KEYS + self.open.members.len()
    }
}

#[cfg(test)]
mod tests;
