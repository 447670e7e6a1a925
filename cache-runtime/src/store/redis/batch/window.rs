//! How much is under way.

use super::{MOST_KEYS, Sealed};
use crate::size::LARGE;

/// What a batch may be expected to be answered with, under one deadline: large values of so many
/// bytes together, or a single one. Small ones are no more than that however many.
pub(super) const MOST_BYTES: usize = MOST_KEYS * LARGE;

/// Batches on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct UnderWay {
    batches: usize,
    keys: usize,
    room: usize,
}

impl UnderWay {
    /// One batch.
    pub(in super::super) fn of(batch: &Sealed) -> Self {
        Self {
            batches: 1,
            keys: batch.len(),
            room: batch.room,
        }
    }
}

/// What is under way, and how much more may be.
#[derive(Debug)]
pub(super) struct Window {
    under_way: UnderWay,
    /// So many times the bytes that one deadline allows.
    times: usize,
    most_times: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            under_way: UnderWay::default(),
            times: 1,
            most_times: 1,
        }
    }
}

impl Window {
    /// For values of which it is not known whether they are large.
    pub(super) fn growing() -> Self {
        Self {
            most_times: 8,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.batches == 0
    }

    pub(super) fn keys(&self) -> usize {
        self.under_way.keys
    }

    /// Whether values of so many bytes may be answered beside what is under way.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let room = self.under_way.room;
        let most = MOST_BYTES.saturating_mul(self.times);
        room == 0 || bytes == 0 || room.saturating_add(bytes) <= most
    }

    pub(super) fn begin(&mut self, begun: UnderWay) {
        let under_way = &mut self.under_way;
        under_way.batches += begun.batches;
        under_way.keys += begun.keys;
        under_way.room = under_way.room.saturating_add(begun.room);
    }

    pub(super) fn end(&mut self, ended: UnderWay) {
        let under_way = &mut self.under_way;
        under_way.batches -= ended.batches;
        under_way.keys -= ended.keys;
        under_way.room = under_way.room.saturating_sub(ended.room);
    }

    /// What was expected to be large is small: twice as much may go out, as a connection of TCP begins.
    pub(super) fn widen(&mut self) {
        self.times = (2 * self.times).min(self.most_times);
    }

    pub(super) fn narrow(&mut self) {
        self.times = 1;
    }
}
