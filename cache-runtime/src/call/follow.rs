//! Waiting for a load in this process.

use std::time::Duration;

use super::Search;
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Followed, Follower};
use crate::load_chain;

impl Search {
    /// Waits for who leads: for the body as long as anybody may, and for the server as long as this call
    /// may itself.
    ///
    /// As for itself, a server that was quick is left to the deadline of the leader's connection.
    pub(super) async fn follow(&mut self, mut follower: Follower) -> Option<Followed> {
        // In a ring of waits nobody would ever answer.
        let _waiting = load_chain::wait_for(self.place.load_id())?;
        self.place.tell(EventKind::Waited);
        let look_time = Follower::look_time(self.place.spec.follow);
        loop {
            let patience = self.patience().min(look_time);
            let waits_for_server = follower.looks();
            let of_server = self.limit().filter(|_| waits_for_server);
            if of_server.is_some_and(|left| left.is_zero()) {
                follower.hurry();
            }
            let wait = match of_server {
                None | Some(Duration::ZERO) => patience,
                Some(left) => patience.min(left),
            };
            let followed = exec::within(wait, follower.wait()).await;
            self.spend(follower.asked());
            match followed {
                Some(Followed::Turned) => {}
                None if wait == look_time && follower.has_stalled() => {
                    return Some(follower.supersede());
                }
                None if !self.patience().is_zero() => {}
                followed => return followed,
            }
        }
    }
}

#[cfg(test)]
mod tests;
