//! Which value of which function a call is about: what everybody who has to do with the call knows.

use std::time::{Duration, Instant};

use crate::cache::Unanswered;
use crate::current::Current;
use crate::event::EventKind;
use crate::key::Key;
use crate::lease::Token;
use crate::load_chain::{self, LoadId};
use crate::spec::{Instance, Spec};
use crate::stats::Counted;
use crate::store::Lock;

/// Which value of which function a call is about.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) cache: Current,
    pub(crate) key: Key,
    pub(crate) spec: &'static Spec,
    pub(crate) instance: &'static Instance,
    counters: Counted,
    /// When the call began, as far as anybody wants to know: a hit that nobody listens to does not
    /// read the clock.
    began: Option<Instant>,
}

impl Place {
    pub(crate) fn new(cache: Current, key: Key, instance: &'static Instance) -> Self {
        let spec = instance.spec();
        Self {
            instance,
            counters: cache.ledger().of(spec),
            key: key.under(cache.prefix()),
            spec,
            began: cache.is_listened_to().then(Instant::now),
            cache,
        }
    }

    pub(crate) fn counters(&self) -> &Counted {
        &self.counters
    }

    /// From here on it takes its time.
    pub(crate) fn begins(&mut self) {
        self.began.get_or_insert_with(Instant::now);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    pub(crate) fn tell(&self, kind: EventKind) {
        self.counters.add(kind);
        let elapsed = || self.elapsed();
        self.cache.tell(kind, self.spec.name(), &self.key, elapsed);
    }

    /// Whether the cache may be asked for this value, here and now.
    pub(crate) fn is_usable(&self) -> bool {
        if self.cache.check(&self.key).is_err() {
            return false;
        }
        let is_owed = self.cache.owed().contains(&self.key);
        if is_owed {
            self.cache.store().make_up();
        }
        !is_owed
    }

    /// A token that is about to be sent for this value.
    pub(crate) fn sends(&self, lock: Lock, token: Token) -> Unanswered {
        let life = self.spec.lease.unwrap_or(Spec::LEASE);
        Unanswered::new(self.cache.clone(), &self.key, lock, token, life)
    }

    /// Returns whether the code that runs here is part of a load of this value: a wait for it would be a
    /// wait for itself.
    pub(crate) fn is_loading(&self) -> bool {
        load_chain::contains(self.cache.id(), &self.key)
    }

    pub(crate) fn load_id(&self) -> LoadId {
        LoadId::new(self.cache.id(), self.key.clone())
    }
}
