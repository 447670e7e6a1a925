//! Waiting for a load in this process.

use std::time::Duration;

use super::Search;
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Followed, Follower};

impl Search {
    /// Waits for who leads: for the body as long as anybody may, and for the server as long as this call
    /// may itself.
    ///
    /// As for itself, a server that was quick is left to the deadline of the leader's connection.
    pub(super) async fn follow(&mut self, mut follower: Follower) -> Option<Followed> {
        self.place.tell(EventKind::Waited);
        loop {
            let patience = self.patience();
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
                None if !self.patience().is_zero() && exec::has_timer() => {}
                followed => return followed,
            }
        }
    }
}

#[cfg(test)]
mod tests;
