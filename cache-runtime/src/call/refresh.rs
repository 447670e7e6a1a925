//! Refreshes: one that was asked for, and one of a stale value.

use std::sync::Arc;
use std::time::Duration;

use super::{Looked, Search};
use crate::error::{Error, ErrorKind};
use crate::lease::Token;
use crate::load::{Claim, Load, Why};
use crate::place::Place;
use crate::spec::Spec;
use crate::store::{Leased, Lock};

/// It was asked for: the body runs whatever is stored. While it runs, an old value stays in place, so
/// the token stands beside it; if the new value is then refused, the old one goes, since the caller
/// asked for the new.
pub(super) async fn asked(mut place: Place) -> Looked {
    place.begins();
    let store = place.cache.store();
    let life = place.spec.lease.unwrap_or(Spec::LEASE);
    place.cache.forget_here(&place.key);
    let (mut token, mut leased) = lease(&place, life).await;
    if leased
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::Unavailable)
    {
        // The connection may have broken while it was idle.
        (token, leased) = lease(&place, life).await;
    }
    let claim = match leased {
        Ok(Leased::Ours) => Load::hold(&place, token, Lock::Lease, Why::Asked, None),
        Ok(Leased::Unfenced) => Claim::Unfenced,
        Ok(Leased::Held(_) | Leased::Value(_) | Leased::Foreign) => {
            let token = Token::fresh();
            match store.claim(&place.key, &token, life, true).await {
                Ok(_) => Load::hold(&place, token, Lock::Refresh, Why::Asked, None),
                Err(_) => Claim::None,
            }
        }
        Err(_) => Claim::None,
    };
    if matches!(claim, Claim::None) {
        // Nothing can be stored, but the old value is known to be wrong. An error leaves it.
        let _ = place.cache.remove(&place.key).await;
    }
    Looked::Load(Box::new(Load::of(Arc::new(place), claim, None)))
}

/// Asks for the lease with a token of this one send, which is given back if no answer comes, or if
/// nobody waits for it any more.
async fn lease(place: &Place, life: Duration) -> (Token, Result<Leased, Error>) {
    let token = Token::fresh();
    let unanswered = place.sends(Lock::Lease, token);
    let leased = place.cache.store().lease(&place.key, &token, life).await;
    drop(unanswered.after(&leased));
    (token, leased)
}

/// The refresh of a stale value, if nobody of the fleet is at it and there is room for it.
pub(super) async fn of_stale(search: &mut Search) -> Option<Box<Load>> {
    let permit = search.place.cache.begin_behind()?;
    let token = Token::fresh();
    let life = search.place.spec.lease.unwrap_or(Spec::LEASE);
    if !search.claim(token, life).await.unwrap_or(false) {
        return None;
    }
    let place = &search.place;
    let claim = Load::hold(place, token, Lock::Refresh, Why::Behind, None);
    let mut load = Load::of(Arc::new(place.clone()), claim, None);
    load.permit = Some(permit);
    Some(Box::new(load))
}
