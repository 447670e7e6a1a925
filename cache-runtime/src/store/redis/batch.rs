//! Who waits for which keys, and what goes out together: decides, and sends nothing.
//!
//! A batch is one object for all of its callers, so that a call allocates nothing to wait. It is
//! sealed when it is sent: nobody joins a read that is on the wire, since an invalidation may have
//! come, and returned, after it.

mod meeting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use self::meeting::Batch;
pub(super) use self::meeting::Waiter;
use crate::error::Error;
use crate::key::OnServer;
use crate::size::{LARGE, Size};
use crate::store::Found;

pub(super) const MOST_KEYS: usize = 128;
/// What a batch may be expected to be answered with, under one deadline: large values of so many
/// bytes together, or a single one. Small ones are no more than that however many.
const MOST_BYTES: usize = MOST_KEYS * LARGE;
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
    /// A sender takes what waits, in the next turn of the scheduler.
    is_scheduled: bool,
    /// Whether a lone read is on the wire.
    is_alone: bool,
    under_way: UnderWay,
    /// So many times the bytes that one deadline allows may be under way: what was expected to be large
    /// turned out to be small.
    times: usize,
}

/// Batches on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UnderWay {
    batches: usize,
    keys: usize,
    room: usize,
}

pub(super) enum Turn {
    /// Send it yourself, now.
    Alone,
    Wait(Waiter),
    /// Wait, and somebody must send what waits.
    WaitAndSend(Waiter),
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
    pub(super) fn take_turn(&mut self, wanted: Wanted<'_>, waker: &Waker) -> Turn {
        // What may be large is under way until its answer, and its caller may not look at it any more.
        let is_small = wanted.size.room() == 0;
        if is_small && !self.is_scheduled && !self.is_alone && self.under_way.batches == 0 {
            self.is_alone = true;
            return Turn::Alone;
        }
        if !self.open.has_room_for(wanted.size) {
            self.close();
        }
        let waiter = self.open.join(wanted, waker);
        if self.open.members.len() == MOST_KEYS {
            self.close();
        }
        match std::mem::replace(&mut self.is_scheduled, true) {
            true => Turn::Wait(waiter),
            false => Turn::WaitAndSend(waiter),
        }
    }

    /// For its sender, which gathers more where that pays.
    pub(super) fn next(&mut self, gathers: bool) -> Next {
        while self.waiting() > 0 {
            if gathers && self.is_gathering_worth_it() {
                return Next::Gather;
            }
            let first = self.full.front().unwrap_or(&self.open);
            if let (Some(joined), true) = (first.joined, self.has_no_room_for(first)) {
                return Next::MakeRoom(joined);
            }
            let sealed = self.seal_first();
            if sealed.len() == 0 {
                continue;
            }
            self.under_way.begin(&sealed);
            if self.waiting() > 0 {
                return Next::Send(sealed);
            }
            self.is_scheduled = false;
            return Next::SendLast(sealed);
        }
        self.is_scheduled = false;
        Next::Done
    }

    /// The next batch, for who does not send it.
    pub(super) fn seal_first(&mut self) -> Sealed {
        let full = self.full.pop_front();
        full.unwrap_or_else(|| self.take_open()).seal()
    }

    fn is_gathering_worth_it(&self) -> bool {
        self.under_way.keys >= WORTH_GATHERING && self.waiting() < ENOUGH
    }

    fn has_no_room_for(&self, next: &Open) -> bool {
        let room = self.under_way.room;
        let most = MOST_BYTES.saturating_mul(self.times.max(1));
        room > 0 && next.room > 0 && room.saturating_add(next.room) > most
    }

    /// A batch of values that may be large was answered with so many bytes for so many keys. Each answer that
    /// is small lets twice as many out, as a connection of TCP begins.
    pub(super) fn saw(&mut self, bytes: usize, keys: usize) {
        const MOST_TIMES: usize = 128;
        self.times = match bytes <= keys * LARGE {
            true => (2 * self.times.max(1)).min(MOST_TIMES),
            false => 1,
        };
    }

    /// A batch was answered, or is given up.
    pub(super) fn end(&mut self, ended: UnderWay) {
        self.under_way.end(ended);
    }

    pub(super) fn end_alone(&mut self) {
        self.is_alone = false;
    }

    pub(super) fn has_batches_under_way(&self) -> bool {
        self.under_way.batches > 0
    }

    /// A sender ends before it was done, since its runtime does: what waits is not sent.
    pub(super) fn abandon(&mut self) -> Vec<Sealed> {
        self.is_scheduled = false;
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

impl UnderWay {
    /// One batch.
    pub(super) fn of(batch: &Sealed) -> Self {
        Self {
            batches: 1,
            keys: batch.len(),
            room: batch.room,
        }
    }

    fn begin(&mut self, batch: &Sealed) {
        let begun = Self::of(batch);
        self.batches += begun.batches;
        self.keys += begun.keys;
        self.room = self.room.saturating_add(begun.room);
    }

    fn end(&mut self, ended: Self) {
        self.batches -= ended.batches;
        self.keys -= ended.keys;
        self.room = self.room.saturating_sub(ended.room);
    }
}

#[cfg(test)]
mod tests;
