//! Copies of values in this process: the first question of a call, and what becomes of a value that
//! was read.
//!
//! The question is asked before anything is boxed, allocated or counted for the call, since the
//! answer costs less than any of that.

use std::sync::Arc;
use std::time::Duration;

use crate::address::{self, Seen};
use crate::cache::Cache;
use crate::current;
use crate::event::EventKind;
use crate::json::Codec;
use crate::key::Key;
use crate::near::{Copied, Life, Watch};
use crate::place::Place;
use crate::request::Call;
use crate::store::Left;

/// The value of this call, if a copy of it is here and nothing else was asked for.
#[expect(
    clippy::question_mark,
    reason = "what is called here is compiled once for each return type"
)]
pub(crate) fn near<R>(call: &Call, codec: &Codec<R>) -> Option<R> {
    let Some(copies) = codec.copies else {
        return None;
    };
    let Some((copied, cache)) = find(call) else {
        return None;
    };
    let returned = (copies().give)(&copied);
    if returned.is_some() {
        answered(call, &copied, cache);
    }
    returned
}

fn answered(call: &Call, copied: &Copied, listened_to: Option<Cache>) {
    copied.count();
    address::answered(call.spec(), Seen::Near);
    if let Some(cache) = listened_to {
        tell(&cache, call);
    }
}

/// The copy, and its cache if somebody listens to it.
fn find(call: &Call) -> Option<(Arc<Copied>, Option<Cache>)> {
    if !address::allows_an_answer(call.spec()) {
        return None;
    }
    let find = |cache: &Cache| {
        let copied = cache.near().get(call.text())?;
        Some((copied, cache.is_listened_to().then(|| cache.clone())))
    };
    current::with_call(call.own_cache(), find)?
}

#[cold]
fn tell(cache: &Cache, call: &Call) {
    let key = Key::of_parts(call.text());
    cache.tell(EventKind::Near, call.spec().name, &key, Duration::default);
}

/// A key under watch, from before it is read until a copy may be kept of what was found.
#[derive(Debug)]
pub(super) struct Watching {
    watch: Watch,
    /// How long what was found lives.
    left: Left,
}

impl Watching {
    /// To be called before the read is sent. Boxed, since most functions are without `near`.
    pub(super) fn begin(place: &Place) -> Option<Box<Self>> {
        place.spec.near?;
        let watch = place.cache.near().watch(&place.key)?;
        // An invalidation that is owed since may have come before the watch.
        if place.cache.owed().contains(&place.key) {
            return None;
        }
        let left = Left::Unknown;
        Some(Box::new(Self { watch, left }))
    }

    /// A value was found, of which so much is left.
    pub(super) fn found(mut self: Box<Self>, left: Left) -> Box<Self> {
        self.left = left;
        self
    }

    /// Keeps a copy, if the value lives long enough and was not changed since.
    pub(super) fn keep(
        self,
        place: &Place,
        bytes: usize,
        copy: &dyn Fn(Life) -> Option<Arc<Copied>>,
    ) {
        let left = match self.left {
            Left::Forever => None,
            Left::For(left) => Some(left),
            Left::Unknown => return,
        };
        let fresh = left.map(|left| left.saturating_sub(place.spec.stale.unwrap_or_default()));
        let max_age = place.spec.near.unwrap_or_default();
        let life = self.watch.life(fresh, max_age, bytes, place.counters());
        if let Some(copied) = life.and_then(copy) {
            self.watch.keep(copied);
        }
    }
}
