//! Copies of values in this process: the first question of a call, and what becomes of a value that
//! was read.
//!
//! The question is asked before anything is boxed, allocated or counted for the call, since the
//! answer costs less than any of that.

use std::sync::Arc;
use std::time::Duration;

use crate::address::{Flow, Seen};
use crate::cache::Cache;
use crate::current;
use crate::event::EventKind;
use crate::json::Codec;
use crate::key::Key;
use crate::near::{Copied, Life, Now, Wanted, Watch, front};
use crate::place::Place;
use crate::request::Call;
use crate::store::Left;

/// The value of this call, if a copy of it is here and nothing else was asked for.
#[expect(
    clippy::question_mark,
    reason = "what is called here is compiled once for each return type"
)]
pub(crate) fn near<R>(call: &mut Call, flow: Flow, codec: &Codec<R>) -> Option<R> {
    let Some(copies) = codec.copies else {
        return None;
    };
    let mut returned = None;
    let mut is_unusable = false;
    answer(call, flow, &mut |copied| {
        returned = (copies().give)(copied);
        if returned.is_none() {
            is_unusable = true;
        }
        returned.is_some()
    });
    if is_unusable {
        remove(call);
    }
    returned
}

/// A copy that cannot be cloned, because its `Clone` panics or it is of another type, is none: it is
/// removed, and the call goes on to read.
#[cold]
fn remove(call: &mut Call) {
    call.name();
    if let Some(cache) = current::with_call(call.own_cache(), Cache::clone) {
        cache.near().forget_texts([call.text()]);
    }
}

/// Gives the copy, if one is here. What takes it may be the user's code.
fn answer(call: &mut Call, flow: Flow, give: &mut dyn FnMut(&Copied) -> bool) {
    if !call.asked(flow).allows_an_answer() {
        return;
    }
    let begin = |cache: &Cache| (cache.near().now(), cache.is_listened_to());
    let Some((now, is_listened_to)) = current::with_call(call.own_cache(), begin) else {
        return;
    };
    let wanted = Wanted {
        instance: call.instance(),
        parts: call.text(),
        now,
    };
    if !front::answer(&wanted, give) && !answer_from_map(call, now, give) {
        return;
    }
    call.asked(flow).answered(Seen::Near);
    if is_listened_to {
        tell(call);
    }
}

#[inline(never)]
fn answer_from_map(call: &mut Call, now: Now, give: &mut dyn FnMut(&Copied) -> bool) -> bool {
    // What a thread has itself is found by the parts alone, which the text of such a call is not.
    if call.is_ambiguous() {
        return false;
    }
    let name = call.name();
    let find = |cache: &Cache| cache.near().find(call.text(), now);
    let Some(Some(copied)) = current::with_call(call.own_cache(), find) else {
        return false;
    };
    if !now.is_in_time_of(&copied) || !give(&copied) {
        return false;
    }
    copied.counters().add(EventKind::Near);
    let wanted = Wanted {
        instance: call.instance(),
        parts: &call.text()[name..],
        now,
    };
    front::seen(copied, &wanted);
    true
}

#[cold]
fn tell(call: &mut Call) {
    call.name();
    let key = Key::of_parts(call.text());
    // Without the handle of another: a listener may do anything.
    if let Some(cache) = current::with_call(call.own_cache(), Cache::clone) {
        cache.tell(EventKind::Near, call.spec().name(), &key, Duration::default);
    }
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
