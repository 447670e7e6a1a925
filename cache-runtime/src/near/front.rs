//! What each thread has of the map before its eyes: the copies that it was answered with of late.
//!
//! A look into the map takes its lock and counts a reference, and each of that is an instruction that
//! waits for all threads. Here a thread looks at what is its own, and at one flag of the copy. A copy
//! that leaves the map is [ended](Copied::end) under the same lock, so it answers here no longer than
//! there.
//!
//! What it costs: a copy that ended takes its room until the thread needs that for another one.

use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Copied, Now};
use crate::spec::Instance;
use crate::tally::{Tallies, Tally};

thread_local! {
    static FRONT: RefCell<Front> = RefCell::default();
}

/// So many copies at most, and so many bytes of values: then a thread begins anew.
const MOST_COPIES: usize = 4096;
const MOST_BYTES: usize = 1 << 20;
/// A copy that would take much of that is looked up in the map.
const LARGEST: usize = MOST_BYTES / 16;

/// Which copy a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) instance: &'static Instance,
    /// The key after what it begins with.
    pub(crate) parts: &'a str,
    pub(crate) now: Now,
}

#[derive(Default)]
struct Front {
    seats: HashTable<Seat>,
    bytes: usize,
    hasher: DefaultHashBuilder,
    tallies: Tallies,
}

struct Seat {
    place: u64,
    copied: Arc<Copied>,
    instance: &'static Instance,
    near: u64,
    parts: Parts,
    tally: Arc<Tally>,
    answered: Cell<u8>,
}

/// A short text in place: one behind a pointer would be one more line of memory to wait for.
struct Parts {
    length: u8,
    text: [u8; Self::LONGEST],
}

impl Parts {
    /// A UUID is no longer, and so the keys of most functions are not.
    const LONGEST: usize = 38;

    fn new(parts: &str) -> Option<Self> {
        let mut text = [0; Self::LONGEST];
        text.get_mut(..parts.len())?
            .copy_from_slice(parts.as_bytes());
        Some(Self {
            length: parts.len() as u8,
            text,
        })
    }

    fn is(&self, parts: &str) -> bool {
        self.text[..usize::from(self.length)] == *parts.as_bytes()
    }
}

/// With the thread. What a copy's destructor looks for may be gone already, and a panic here would end
/// the process.
impl Drop for Front {
    fn drop(&mut self) {
        let seats = std::mem::take(&mut self.seats);
        // It has told of itself.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(seats)));
    }
}

#[derive(Default)]
struct Removed {
    /// What stood at the same place.
    before: Option<Seat>,
    all: HashTable<Seat>,
}

impl Seat {
    fn is(&self, wanted: &Wanted<'_>) -> bool {
        self.near == wanted.now.near
            && std::ptr::eq(self.instance, wanted.instance)
            && self.parts.is(wanted.parts)
    }

    /// Now and then the map is asked all the same: it gives up first what nobody asks for.
    fn is_enough(&self) -> bool {
        const ASKS_EVERY: u8 = 32;
        let answered = self.answered.get() + 1;
        self.answered.set(answered % ASKS_EVERY);
        answered < ASKS_EVERY
    }
}

impl Front {
    fn place(&self, wanted: &Wanted<'_>) -> u64 {
        let function = std::ptr::from_ref(wanted.instance) as usize;
        self.hasher.hash_one((function, wanted.parts))
    }

    fn find(&self, wanted: &Wanted<'_>) -> Option<&Seat> {
        let place = self.place(wanted);
        self.seats.find(place, |seat| seat.is(wanted))
    }

    /// Returns what has to go for it: a copy's destructor is the user's code.
    #[must_use]
    fn keep(&mut self, copied: Arc<Copied>, parts: Parts, wanted: &Wanted<'_>) -> Removed {
        let mut removed = Removed::default();
        let place = self.place(wanted);
        if let Ok(seat) = self.seats.find_entry(place, |seat| seat.is(wanted)) {
            let (seat, _) = seat.remove();
            self.bytes -= seat.copied.bytes();
            removed.before = Some(seat);
        }
        // Also in place of another, than which it may be larger.
        if self.seats.len() == MOST_COPIES || self.bytes + copied.bytes() > MOST_BYTES {
            removed.all = std::mem::take(&mut self.seats);
            self.bytes = 0;
            self.tallies = Tallies::default();
        }
        self.bytes += copied.bytes();
        let seat = Seat {
            place,
            instance: wanted.instance,
            near: wanted.now.near,
            parts,
            tally: self.tallies.of(&copied.counters().near),
            answered: Cell::new(0),
            copied,
        };
        self.seats.insert_unique(place, seat, |seat| seat.place);
        removed
    }
}

/// The copy was looked up in the map: this thread may have it at hand from now on. Not each time,
/// so that a thread that asks for more keys than it has room for does not pay for each of them.
pub(crate) fn seen(copied: Arc<Copied>, wanted: &Wanted<'_>) {
    const ONE_IN: u8 = 4;
    if fastrand::u8(..ONE_IN) == 0 {
        keep(copied, wanted);
    }
}

/// From now on this thread has the copy at hand.
pub(super) fn keep(copied: Arc<Copied>, wanted: &Wanted<'_>) {
    let Some(parts) = Parts::new(wanted.parts).filter(|_| copied.bytes() <= LARGEST) else {
        return;
    };
    let keep = |front: &RefCell<Front>| {
        let mut front = front.try_borrow_mut().ok()?;
        Some(front.keep(copied, parts, wanted))
    };
    drop(FRONT.try_with(keep));
}

/// Whether this thread has the copy at hand and `give` takes it. `give` may run the user's code.
#[inline]
pub(crate) fn answer(wanted: &Wanted<'_>, give: &mut dyn FnMut(&Copied) -> bool) -> bool {
    let answer = |front: &RefCell<Front>| {
        // It is being changed where a copy's own code makes this call.
        let Ok(front) = front.try_borrow() else {
            return false;
        };
        let Some(seat) = front.find(wanted) else {
            return false;
        };
        let answers = wanted.now.is_in_time_of(&seat.copied) && seat.is_enough();
        if !answers || !give(&seat.copied) {
            return false;
        }
        seat.copied.counters().add_near(&seat.tally);
        true
    };
    // A thread that ends has nothing at hand any more.
    FRONT.try_with(answer).unwrap_or(false)
}

/// How many copies this thread has at hand, and of how many bytes.
#[cfg(test)]
pub(super) fn held() -> (usize, usize) {
    FRONT.with_borrow(|front| (front.seats.len(), front.bytes))
}
