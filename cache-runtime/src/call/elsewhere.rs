//! Waiting for the load of another process.

use std::time::{Duration, Instant};

use super::Search;
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Leader, Stamp};
use crate::lease::Token;
use crate::load;
use crate::store::Left;

/// What a wait for another process came to.
pub(super) enum Elsewhere {
    Value(Vec<u8>, Stamp),
    /// Its holder gave the lease back, or lost it to an invalidation.
    GivenBack,
    /// Its holder died.
    Expired,
    InVain,
}

impl Search {
    /// Waits for the load of another process, which holds the lease with this token.
    pub(super) async fn elsewhere(&self, leader: &Leader, holder: &Token) -> Elsewhere {
        const LONGEST: Duration = Duration::from_millis(50);
        self.place.tell(EventKind::Waited);
        let mut pause = Duration::from_millis(1);
        let mut expires = None;
        loop {
            let patience = self.patience();
            if patience.is_zero() {
                return Elsewhere::InVain;
            }
            exec::sleep(load::jittered_wait(pause).min(patience)).await;
            pause = (pause * 2).min(LONGEST);
            let sent = leader.stamp();
            let asked = Instant::now();
            let found = match self.place.cache.store().get(&self.place.key, true).await {
                Ok(found) => found,
                Err(error) => {
                    self.place.cache.store().failed(&error);
                    return Elsewhere::InVain;
                }
            };
            if let Some(stored) = found.json {
                match Token::read(&stored) {
                    None => return Elsewhere::Value(stored, sent),
                    Some(token) if token == *holder => {
                        if let Left::For(left) = found.left {
                            expires = Some(asked + left);
                        }
                        continue;
                    }
                    Some(_) => {}
                }
            }
            // A lease that lives is extended long before it expires.
            return match expires {
                Some(at) if at <= Instant::now() => Elsewhere::Expired,
                _ => Elsewhere::GivenBack,
            };
        }
    }
}
