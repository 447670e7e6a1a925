//! The first question of a call: is there a copy of the value in this process?
//!
//! It is asked before anything is boxed, allocated or counted for the call, since the answer costs
//! less than any of that.

use crate::address::{self, Seen};
use crate::cache::Cache;
use crate::current;
use crate::event::EventKind;
use crate::json::Codec;
use crate::key::Key;
use crate::request::Call;

/// The value of this call, if a copy of it is here and nothing else was asked for.
pub(crate) fn near<R>(call: &Call, codec: &Codec<R>) -> Option<R> {
    let copies = codec.copies?;
    let spec = call.spec();
    if !address::allows_an_answer(spec) {
        return None;
    }
    let find = |cache: &Cache| {
        let copied = cache.near().get(call.text())?;
        Some((copied, cache.is_listened_to().then(|| cache.clone())))
    };
    let (copied, listened_to) = current::with_call(call.own_cache(), find)??;
    let returned = (copies().give)(&copied)?;
    copied.count();
    address::answered(spec, Seen::Near);
    if let Some(cache) = listened_to {
        tell(&cache, call);
    }
    Some(returned)
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
