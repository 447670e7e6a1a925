//! The first question of a call: is there a copy of the value in this process?
//!
//! It is asked before anything is boxed, allocated or counted for the call, since the answer costs
//! less than any of that.

use std::sync::Arc;

use crate::address::{self, Seen};
use crate::cache::Cache;
use crate::current;
use crate::event::EventKind;
use crate::json::Codec;
use crate::key::Key;
use crate::near::Copied;
use crate::request::Call;

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
    cache.tell(
        EventKind::Near,
        call.spec().name,
        &key,
        std::time::Duration::default,
    );
}
