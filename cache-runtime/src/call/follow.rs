//! Waiting for a load in this process.

use std::time::Instant;

use super::Search;
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Followed, Follower};
use crate::load_chain;
use crate::run_time::WaitTime;

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
        let mut time = WaitTime::of(self.place.cache.response_timeout());
        loop {
            let patience = self.patience().min(look_time);
            let waits_for_server = follower.looks();
            let of_server = self.limit().filter(|_| waits_for_server);
            let is_over = of_server.is_some_and(|left| left.is_zero()) && time.is_in_time();
            if is_over {
                follower.hurry();
            }
            let left = of_server.filter(|_| !is_over).unwrap_or(patience);
            let piece = time.begin(Instant::now(), left).min(patience);
            let followed = exec::within(piece, follower.wait()).await;
            let counted = time.end(Instant::now());
            self.spend(follower.asked().min(counted));
            match followed {
                Some(Followed::Turned) => {}
                None if piece == look_time && follower.has_stalled() => {
                    return Some(follower.supersede());
                }
                None if !self.patience().is_zero() && exec::has_timer() => {}
                followed => return followed,
            }
        }
    }
}

#[cfg(test)]
mod tests;
