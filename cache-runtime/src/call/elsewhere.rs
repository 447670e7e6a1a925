//! Waiting for the load of another process.

use std::time::{Duration, Instant};

use super::Search;
use crate::event::EventKind;
use crate::exec;
use crate::flight::{Leader, Stamp};
use crate::lease::Token;
use crate::near::Watch;
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
    ///
    /// Each look at the key is one of which the server tells the next change, for functions without
    /// `near` as well: such a wait is rare, and what it costs is little beside a load. Looking again
    /// after a while is for servers that do not tell, and for what gets lost.
    pub(super) async fn elsewhere(&self, leader: &Leader, holder: &Token) -> Elsewhere {
        self.place.tell(EventKind::Waited);
        let store = self.place.cache.store();
        let size = self.place.counters().sizes.expected();
        let mut pause = SHORTEST;
        let mut expires = None;
        loop {
            let watch = match store.tells_changes() {
                true => self.place.cache.near().watch(&self.place.key),
                false => None,
            };
            let sent = leader.stamp();
            let asked = Instant::now();
            let looking = match &watch {
                Some(_) => store.get_watched(&self.place.key, size),
                None => store.get(&self.place.key, true, size),
            };
            let looked = match self.limit_of_look() {
                None => Some(looking.await),
                Some(limit) => exec::within(limit, looking).await,
            };
            let found = match looked {
                Some(Ok(found)) => found,
                Some(Err(error)) => {
                    store.failed(&error);
                    return Elsewhere::InVain;
                }
                None => return Elsewhere::InVain,
            };
            match found.json.map(|stored| (Token::read(&stored), stored)) {
                Some((None, value)) => return Elsewhere::Value(value, sent),
                Some((Some(token), _)) if token == *holder => {
                    if let Left::For(left) = found.left {
                        expires = Some(asked + left);
                    }
                }
                // A lease that lives is extended long before it expires.
                _ => {
                    return match expires {
                        Some(at) if at <= Instant::now() => Elsewhere::Expired,
                        _ => Elsewhere::GivenBack,
                    };
                }
            }
            let patience = self.patience();
            match watch.filter(|_| found.watched) {
                Some(watch) => changed(watch, patience).await,
                None => {
                    exec::sleep(exec::jittered(pause).min(patience)).await;
                    pause = (pause * 2).min(LONGEST);
                }
            }
            if self.patience().is_zero() || !exec::has_timer() {
                return Elsewhere::InVain;
            }
        }
    }

    /// How long an answer may take, if for less than any. Those that come take none of this call's time,
    /// since the other process loads meanwhile; the one that does not come does.
    fn limit_of_look(&self) -> Option<Duration> {
        let least = self.place.cache.response_timeout() / 10;
        self.limit().map(|limit| limit.max(least))
    }
}

/// The pauses between two looks, where nothing is told.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// Waits until the key may have been changed.
async fn changed(watch: Watch, patience: Duration) {
    let longest = exec::jittered(LONGEST).min(patience);
    exec::within(longest, async move { watch.changed().await }).await;
}
