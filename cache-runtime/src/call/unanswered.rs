//! A token that was sent and whose answer did not come yet.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::lease::Token;
use crate::load::Place;
use crate::store::Lock;

/// Without an answer, since its caller left or it came too late, it gives the token back: the
/// command may still be on its way, and would lock the key for a whole lease.
pub(super) struct Unanswered(Option<(Place, Token)>);

impl Unanswered {
    pub(super) fn new(place: &Place, token: Token) -> Self {
        Self(Some((place.clone(), token)))
    }

    pub(super) fn answered<T>(mut self, answer: &Result<T, Error>) {
        let is_late = |error: &Error| error.kind() == ErrorKind::Timeout;
        if !answer.as_ref().is_err_and(is_late) {
            self.0 = None;
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some((place, token)) = self.0.take() else {
            return;
        };
        let giving_back = async move {
            // The command may be on another connection and come after the first of these.
            const PAUSES: [Duration; 3] = [
                Duration::from_millis(1),
                Duration::from_millis(20),
                Duration::from_millis(300),
            ];
            for pause in PAUSES {
                tokio::time::sleep(pause).await;
                let store = place.cache.store();
                // If the server does not hear of it, the token expires.
                let _ = store.release(&place.key, Lock::Lease, &token).await;
            }
        };
        let _ = exec::spawn_on_io(giving_back);
    }
}
