//! A token that was sent and whose answer did not come, or not yet.

use std::time::Duration;

use crate::error::Error;
use crate::exec;
use crate::lease::Token;
use crate::load;
use crate::place::Place;
use crate::store::Lock;

/// Dropped without an answer, since its caller left or the connection is gone or silent, it gives the
/// token back: the command may have come through or still be on its way, and would lock the key for
/// a whole lease.
pub(super) struct Unanswered(Option<(Place, Token)>);

impl Unanswered {
    pub(super) fn new(place: &Place, token: Token) -> Self {
        Self(Some((place.clone(), token)))
    }

    pub(super) fn answered(mut self) {
        self.0 = None;
    }

    /// Another one was answered since, which this one would have been in the way of. It may turn up
    /// yet, and is known then.
    pub(super) fn superseded(mut self) {
        if let Some((place, token)) = self.0.take() {
            place.cache.lost().add(token);
        }
    }

    /// This, unless the server has answered.
    pub(super) fn after<T>(self, outcome: &Result<T, Error>) -> Option<Self> {
        if outcome.as_ref().is_err_and(Error::is_passing) {
            return Some(self);
        }
        self.answered();
        None
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some((place, token)) = self.0.take() else {
            return;
        };
        place.cache.lost().add(token);
        if place.cache.store().answers_at_once() {
            // Nothing of it is on its way.
            let giving_back = place.cache.store().release(&place.key, Lock::Lease, &token);
            let _ = exec::wait(giving_back);
            return;
        }
        let giving_back = async move {
            // The command may be on another connection and come after the first of these.
            const PAUSES: [Duration; 3] = [
                Duration::from_millis(1),
                Duration::from_millis(20),
                Duration::from_millis(300),
            ];
            let mut released = Ok(());
            for pause in PAUSES {
                tokio::time::sleep(pause).await;
                let store = place.cache.store();
                released = store.release(&place.key, Lock::Lease, &token).await;
            }
            if released.is_err() {
                // If the server does not hear of it, the token expires.
                let _ = load::release(&place, Lock::Lease, &token).await;
            }
        };
        let _ = exec::spawn_on_io(giving_back);
    }
}
