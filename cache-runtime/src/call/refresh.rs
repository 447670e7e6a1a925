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
pub(super) async fn asked(place: Place) -> Looked {
    let mut search = Search::new(place, None);
    search.place.begins();
    search.place.cache.forget_here(&search.place.key);
    let claim = search.claim_whatever_stands().await;
    if matches!(claim, Claim::None) {
        // Nothing can be stored, but the old value is known to be wrong. An error leaves it.
        search.forget().await;
    }
    let limit = search.limit();
    let mut load = Load::of(Arc::new(search.place), claim, None);
    load.limit = limit;
    Looked::Load(Box::new(load))
}

impl Search {
    async fn claim_whatever_stands(&mut self) -> Claim {
        let life = self.place.spec.lease.unwrap_or(Spec::LEASE);
        let (mut token, mut leased) = self.lease_once(life).await;
        if leased
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Unavailable)
        {
            // The connection may have broken while it was idle.
            (token, leased) = self.lease_once(life).await;
        }
        match leased {
            Ok(Leased::Ours) => Load::hold(&self.place, token, Lock::Lease, Why::Asked, None),
            Ok(Leased::Unfenced) => Claim::Unfenced,
            Ok(Leased::Held(_) | Leased::Value(_) | Leased::Foreign) => {
                let token = Token::fresh();
                match self.claim(token, life, true).await {
                    Ok(_) => Load::hold(&self.place, token, Lock::Refresh, Why::Asked, None),
                    Err(_) => Claim::None,
                }
            }
            Err(_) => Claim::None,
        }
    }

    /// Asks for the lease with a token of this one send, which is given back if no answer comes, or if
    /// nobody waits for it any more.
    async fn lease_once(&mut self, life: Duration) -> (Token, Result<Leased, Error>) {
        let token = Token::fresh();
        let (leased, unanswered) = self.lease(token, life).await;
        drop(unanswered);
        (token, leased)
    }
}

/// The refresh of a stale value, if nobody of the fleet is at it and there is room for it.
pub(super) async fn of_stale(search: &mut Search) -> Option<Box<Load>> {
    let permit = search.place.cache.begin_refresh(search.place.spec)?;
    let token = Token::fresh();
    let life = search.place.spec.lease.unwrap_or(Spec::LEASE);
    if !search.claim(token, life, false).await.unwrap_or(false) {
        return None;
    }
    let place = &search.place;
    let claim = Load::hold(place, token, Lock::Refresh, Why::Behind, None);
    let mut load = Load::of(Arc::new(place.clone()), claim, None);
    load.permit = Some(permit);
    Some(Box::new(load))
}
