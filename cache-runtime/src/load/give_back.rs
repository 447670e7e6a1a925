//! What becomes of a token of ours, and of the flight, when a load ends without having stored.

use super::{Ending, Held, Why};
use crate::cache;
use crate::event::EventKind;
use crate::flight::Leader;
use crate::place::Place;
use crate::spec::Spec;

/// What there is to tell. If the server does not hear of it, the token expires. The flight is left
/// after the first try, since who waits there need not wait for a server that is away.
pub(super) async fn give_back(place: &Place, held: &Held, leaving: Leaving) -> Option<EventKind> {
    let store = place.cache.store();
    let (key, token) = (&place.key, &held.token);
    if held.why == Why::Behind && leaving.1 == Ending::Failed {
        let retry = place.cache.retry();
        let kept = store.extend(key, held.lock, token, retry).await;
        return kept.is_ok().then_some(EventKind::RefreshFailed);
    }
    let mut released = store.release(key, held.lock, token).await;
    if released.is_err() {
        place.cache.lost().add(*token);
    }
    drop(leaving);
    // A store that answers at once is asked on its caller's own thread, which must not be kept; and
    // all who could meet the token there are in this process, and know it.
    if released.is_err() && !store.answers_at_once() {
        let life = place.spec.lease.unwrap_or(Spec::LEASE);
        released = cache::release(&place.cache, key, held.lock, token, life).await;
    }
    (released.is_ok() && !held.told).then_some(EventKind::Released)
}

/// Leaves the flight when it is dropped.
#[derive(Debug)]
pub(super) struct Leaving(pub(super) Option<Leader>, pub(super) Ending);

impl Drop for Leaving {
    fn drop(&mut self) {
        let Some(leader) = self.0.take() else {
            return;
        };
        match self.1 {
            Ending::Left => drop(leader),
            Ending::Failed => leader.fail(),
            Ending::Landed => leader.land(),
        }
    }
}
