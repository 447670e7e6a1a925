//! Who waits for which keys, and what goes out together: decides, and sends nothing.
//!
//! A batch is one object for all of its callers, so that a call allocates nothing to wait. It is
//! sealed when it is sent: nobody joins a read that is on the wire, since an invalidation may have
//! come, and returned, after it.

mod meeting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::meeting::Batch;
pub(super) use self::meeting::Waiter;
use crate::error::Error;
use crate::key::OnServer;
use crate::size::{LARGE, Size};
use crate::store::Found;

pub(super) const MOST_KEYS: usize = 128;
pub(super) const MOST_BATCHES: usize = 4;
/// What a batch may be expected to be answered with, under one deadline: large values of so many
/// bytes together, or a single one. Small ones are no more than that however many.
const MOST_BYTES: usize = MOST_KEYS * LARGE;
/// So many must wait for a further batch beside one that is under way.
const WORTH_ANOTHER: usize = 64;
/// Where more batches wait, some would wait for a third answer before their own.
const CROWD: usize = 2 * MOST_BATCHES;

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
            is_heavy: self.room > 0,
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
    /// It may be answered with large values.
    pub(super) is_heavy: bool,
    joined: Option<Instant>,
}

impl Sealed {
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
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
    /// Reads on the wire, alone or in a batch.
    under_way: usize,
    /// Of these, the one of a lone caller who is expected to say when it ends.
    alone: Option<Alone>,
    /// How many were sent alone.
    lone: u64,
    /// How many keys went out together last; one where callers come one at a time.
    last: usize,
    /// What was sent last may be answered with large values.
    is_heavy: bool,
}

struct Alone {
    number: u64,
    /// Dropped when it ends, for who sends what waits behind it.
    end: Option<oneshot::Sender<()>>,
}

/// The end of a lone read, for who is to send what waits behind it.
pub(super) struct Behind {
    number: u64,
    pub(super) end: oneshot::Receiver<()>,
    /// What was asked for may be large, and so take its time.
    pub(super) is_heavy: bool,
}

pub(super) enum Turn {
    /// Send it yourself, now; it is the lone read with this number.
    Alone(u64),
    Wait(Waiter),
    /// Wait, and somebody must send what waits: after a lone read, if there is one.
    WaitAndSend(Waiter, Option<Behind>),
}

impl Queue {
    pub(super) fn take_turn(&mut self, wanted: Wanted<'_>, waker: &Waker) -> Turn {
        if self.under_way == 0 && self.last <= 1 {
            self.under_way = 1;
            self.last = 1;
            self.is_heavy = wanted.size.room() > 0;
            self.lone += 1;
            self.alone = Some(Alone {
                number: self.lone,
                end: None,
            });
            return Turn::Alone(self.lone);
        }
        if !self.open.has_room_for(wanted.size) {
            self.close();
        }
        let waiter = self.open.join(wanted, waker);
        if self.open.members.len() == MOST_KEYS {
            self.close();
        }
        if let Some(behind) = self.first_behind_a_lone_one() {
            return Turn::WaitAndSend(waiter, Some(behind));
        }
        if self.under_way == 0 || self.is_another_worth_it() {
            self.under_way += 1;
            return Turn::WaitAndSend(waiter, None);
        }
        Turn::Wait(waiter)
    }

    /// What waits behind a lone read is sent by somebody else than its caller, who may never look at
    /// it again, or be dropped where nothing can be sent.
    fn first_behind_a_lone_one(&mut self) -> Option<Behind> {
        let alone = self.alone.as_mut().filter(|alone| alone.end.is_none())?;
        let (ends, end) = oneshot::channel();
        alone.end = Some(ends);
        Some(Behind {
            number: alone.number,
            end,
            is_heavy: self.is_heavy,
        })
    }

    /// What waits behind a lone read is sent now, whether that has ended or is not expected to any
    /// more.
    pub(super) fn take_over(&mut self, behind: &Behind) {
        self.alone.take_if(|alone| alone.number == behind.number);
        self.last = 2;
    }

    /// Beside what is under way. Not of large values, nor beside them: in the deadline of one batch
    /// the other would count, too.
    fn is_another_worth_it(&self) -> bool {
        let next = self.full.front().unwrap_or(&self.open);
        self.waiting() >= WORTH_ANOTHER
            && self.under_way < MOST_BATCHES
            && !self.is_heavy
            && next.room == 0
    }

    /// Whether so many wait that they must not wait for one answer after the other.
    pub(super) fn is_crowded(&self) -> bool {
        self.full.len() >= CROWD
    }

    fn close(&mut self) {
        let full = self.take_open();
        self.full.push_back(full);
    }

    fn take_open(&mut self) -> Open {
        let next = Open::with_room_for(self.open.members.len());
        std::mem::replace(&mut self.open, next)
    }

    /// Seals the next batch. If nobody waits, this sender is done.
    pub(super) fn seal(&mut self) -> Option<Sealed> {
        while self.waiting() > 0 {
            let full = self.full.pop_front();
            let next = full.unwrap_or_else(|| self.take_open());
            let sealed = next.seal();
            if sealed.len() > 0 {
                self.last = sealed.len();
                self.is_heavy = sealed.is_heavy;
                return Some(sealed);
            }
        }
        self.under_way -= 1;
        None
    }

    /// After a batch of one, before it is answered: whether this sender is done.
    pub(super) fn leave(&mut self) -> bool {
        let done = self.waiting() == 0;
        self.under_way -= usize::from(done);
        done
    }

    /// The lone read with this number ended.
    pub(super) fn end_alone(&mut self, number: u64) {
        let ended = self.alone.take_if(|alone| alone.number == number);
        // Who sends what waits behind it hears of it now, and counts in its place.
        if ended.is_some_and(|alone| alone.end.is_none()) {
            self.under_way -= 1;
        }
    }

    /// A sender ends before it was done, since its runtime does: what waits is not sent.
    pub(super) fn abandon(&mut self) -> Vec<Sealed> {
        self.under_way -= 1;
        let open = self.take_open();
        let waiting = self.full.drain(..).chain([open]);
        waiting.map(Open::seal).collect()
    }

    pub(super) fn was_wide(&self) -> bool {
        self.last > 1
    }

    /// At most: of large values there are fewer in a batch that is full.
    fn waiting(&self) -> usize {
        self.full.len() * MOST_KEYS + self.open.members.len()
    }
}

#[cfg(test)]
mod tests;
