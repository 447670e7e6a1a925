//! The leader of a flight: takes the lease, or finds what came meanwhile, before it runs the body.

use std::sync::Arc;
use std::time::Duration;

use super::elsewhere::Elsewhere;
use super::{Looked, Search};
use crate::address::Seen;
use crate::cache::Unanswered;
use crate::error::ErrorKind;
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Leader, Stamp};
use crate::lease::Token;
use crate::load::{Claim, Load, Why};
use crate::store::{Leased, Lock};

impl Search {
    /// Loads, for everybody in this process.
    pub(super) async fn lead(self: Box<Self>, leader: Leader) -> Looked {
        let polls = leader.polls();
        polls.run(self.ask_and_load(leader)).await
    }

    async fn ask_and_load(mut self: Box<Self>, leader: Leader) -> Looked {
        if self.again {
            // The others who look again are on their way, and only who joins before the body
            // begins may take what it returns: without this they would load one after the other.
            const GATHERING: Duration = Duration::from_millis(1);
            exec::sleep(GATHERING).await;
        }
        let Some(life) = self.place.spec.lease else {
            return self.unfenced(leader).await;
        };
        self.hurry = Some(leader.hurry());
        let mut waited = false;
        let mut lost: Option<Unanswered> = None;
        while !self.outage && !self.left.is_zero() {
            // Until the answer is there it is not known to be ours. It is if it turns up.
            let token = Token::fresh();
            leader.lost(token);
            let sent = leader.stamp();
            if let Some(unusable) = self.unusable.take() {
                match self.displace(unusable, token, life).await {
                    Ok(true) => return self.hold(leader, token),
                    Ok(false) => continue,
                    Err(_) => break,
                }
            }
            let (leased, unanswered) = self.lease(token, life).await;
            if leased.is_ok()
                && let Some(lost) = lost.take()
            {
                lost.superseded();
            }
            match leased {
                Ok(Leased::Ours) => return self.hold(leader, token),
                Ok(Leased::Held(ours)) if leader.is_lost(&ours) => {
                    self.place.cache.lost().take(&ours);
                    return self.hold(leader, ours);
                }
                // Nobody loads under it any more, so it is not waited for.
                Ok(Leased::Held(dead)) if self.place.cache.lost().take(&dead) => {
                    if self.release(dead).await.is_err() {
                        self.place.cache.lost().add(dead);
                        break;
                    }
                }
                Ok(Leased::Unfenced) => return self.unfenced(leader).await,
                Ok(Leased::Value(json)) => return self.arrived(leader, json, sent),
                Ok(Leased::Foreign) => {
                    if self.remove().await.is_err() {
                        break;
                    }
                }
                // It came and went without a value and came again: at most one foreign load is
                // ever waited for, or the n-th process would wait n bodies.
                Ok(Leased::Held(_)) if waited => break,
                Ok(Leased::Held(holder)) => {
                    leader.waits_elsewhere();
                    match self.elsewhere(&leader, &holder).await {
                        Elsewhere::Value(json, sent) => {
                            return self.arrived(leader, json, sent);
                        }
                        Elsewhere::GivenBack => waited = true,
                        // That was no load: whoever leads next is waited for like the first.
                        Elsewhere::Expired => {}
                        Elsewhere::InVain => break,
                    }
                    leader.asks_again();
                }
                // The connection may have broken while it was idle: asked again on a new one, with
                // a new token, while the old one is ours if it turns up.
                Err(error) if error.kind() == ErrorKind::Unavailable && lost.is_none() => {
                    lost = unanswered;
                }
                // Only a lease whose answer came before the body begins may fill.
                Err(_) => break,
            }
        }
        self.load(leader, Claim::None)
    }

    /// Loads without a lease. Those who look again look at what is stored by now: nothing else
    /// would tell them.
    async fn unfenced(mut self: Box<Self>, leader: Leader) -> Looked {
        if std::mem::take(&mut self.again) {
            let sent = leader.stamp();
            let read = self.read_in_time().await;
            if let Some((json, _)) = self.stored(read) {
                return self.arrived(leader, json, sent);
            }
        }
        self.load(leader, Claim::Unfenced)
    }

    fn hold(self, leader: Leader, token: Token) -> Looked {
        let claim = Load::hold(&self.place, token, Lock::Lease, Why::Load, Some(&leader));
        self.load(leader, claim)
    }

    pub(super) fn load(self, leader: Leader, claim: Claim) -> Looked {
        self.see(match claim {
            Claim::None => Seen::Bypassed,
            _ => Seen::Loaded,
        });
        let limit = self.limit();
        let mut load = Load::of(Arc::new(self.place), claim, Some(leader));
        load.limit = limit;
        Looked::Load(Box::new(load))
    }

    fn arrived(self: Box<Self>, leader: Leader, json: Vec<u8>, sent: Stamp) -> Looked {
        leader.answer(&json.as_slice().into(), sent);
        leader.land();
        Looked::Found(self.found(json, EventKind::Joined, None))
    }
}
