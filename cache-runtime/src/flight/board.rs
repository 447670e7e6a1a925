//! All flights of a cache, by their keys.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Boarded, Flight, Follower, Leader, Member};
use crate::key::Key;

/// All flights of a cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Flights>);

#[derive(Debug, Default)]
struct Flights {
    /// Each by its own key.
    by_key: Mutex<HashTable<Arc<Flight>>>,
    hasher: DefaultHashBuilder,
    /// Read on every call, so that nothing is locked while nothing is loaded.
    count: AtomicUsize,
}

/// The flights, locked; how many there are is told when they are left.
pub(super) struct Locked<'a> {
    by_key: MutexGuard<'a, HashTable<Arc<Flight>>>,
    hasher: &'a DefaultHashBuilder,
    count: &'a AtomicUsize,
}

impl Locked<'_> {
    fn get(&self, key: &Key) -> Option<&Arc<Flight>> {
        let place = self.hasher.hash_one(key);
        self.by_key.find(place, |flight| flight.key == *key)
    }

    /// The flight of this key, and whether there was one.
    fn get_or_begin(&mut self, key: &Key) -> (&Arc<Flight>, bool) {
        let hasher = self.hasher;
        let place = hasher.hash_one(key);
        let is_it = |flight: &Arc<Flight>| flight.key == *key;
        let place_of = |flight: &Arc<Flight>| hasher.hash_one(&flight.key);
        match self.by_key.entry(place, is_it, place_of) {
            Entry::Occupied(flight) => (flight.into_mut(), true),
            Entry::Vacant(free) => {
                let flight = Arc::new(Flight::new(key.clone()));
                (free.insert(flight).into_mut(), false)
            }
        }
    }

    fn remove(&mut self, key: &Key, which: impl Fn(&Arc<Flight>) -> bool) {
        let place = self.hasher.hash_one(key);
        let is_it = |flight: &Arc<Flight>| flight.key == *key && which(flight);
        if let Ok(flight) = self.by_key.find_entry(place, is_it) {
            flight.remove();
        }
    }

    /// Puts another flight in the place of this one, if it is still on the board.
    fn replace(
        &mut self,
        flight: &Arc<Flight>,
        with: impl FnOnce() -> Arc<Flight>,
    ) -> Option<Arc<Flight>> {
        let place = self.hasher.hash_one(&flight.key);
        let on_board = self
            .by_key
            .find_mut(place, |of_key| Arc::ptr_eq(of_key, flight))?;
        *on_board = with();
        Some(on_board.clone())
    }

    /// This flight, and not its successor.
    pub(super) fn take_off(&mut self, flight: &Arc<Flight>) {
        self.remove(&flight.key, |of_key| Arc::ptr_eq(of_key, flight));
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.count.store(self.by_key.len(), Ordering::Release);
    }
}

impl Board {
    /// Joins the flight of this key, or leads one if there is none that began less than `longest`
    /// ago.
    pub(crate) fn board(&self, key: &Key, longest: Duration) -> Boarded {
        let mut flights = self.flights();
        flights.remove(key, |flight| flight.is_overdue(longest));
        let (flight, is_under_way) = flights.get_or_begin(key);
        let member = self.member(flight);
        match is_under_way {
            true => Boarded::Follower(Follower::board(member)),
            false => Boarded::Leader(Leader::new(member)),
        }
    }

    /// Returns whether a flight of this key is under way that began less than `longest` ago. One that
    /// just begins may be missed: the caller reads what is stored, and meets the flight on boarding.
    pub(crate) fn has(&self, key: &Key, longest: Duration) -> bool {
        let is_in_time = |flight: &Arc<Flight>| !flight.is_overdue(longest);
        !self.is_empty() && self.flights().get(key).is_some_and(is_in_time)
    }

    /// Leads another flight in the place of this one, whose leader is not polled. `None` if another
    /// follower was first. Nobody waits for this one any more.
    pub(super) fn supersede(&self, flight: &Arc<Flight>) -> Option<Leader> {
        let leader = self
            .flights()
            .replace(flight, || Arc::new(flight.successor()));
        flight.change(|state| state.over = true);
        leader.map(|flight| Leader::new(self.member(&flight)))
    }

    /// Takes the flight of this key off the board: who comes now starts anew.
    pub(crate) fn detach(&self, key: &Key) {
        self.flights().remove(key, |_| true);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn member(&self, flight: &Arc<Flight>) -> Member {
        Member {
            board: self.clone(),
            flight: flight.clone(),
        }
    }

    pub(super) fn flights(&self) -> Locked<'_> {
        let by_key = self.0.by_key.lock();
        Locked {
            by_key: by_key.unwrap_or_else(PoisonError::into_inner),
            hasher: &self.0.hasher,
            count: &self.0.count,
        }
    }
}
