//! A token that was sent and whose answer did not come, or not yet; and one that is given up.

use std::time::{Duration, Instant};

use super::Cache;
use crate::current::Current;
use crate::error::Error;
use crate::exec;
use crate::key::Key;
use crate::lease::Token;
use crate::store::Lock;

/// Dropped without an answer, since its caller left or the connection is gone or silent, it gives the
/// token back: the command may have come through or still be on its way, and would lock the key for
/// a whole lease.
pub(crate) struct Unanswered(Option<Sent>);

struct Sent {
    cache: Current,
    key: Key,
    lock: Lock,
    token: Token,
    /// How long the token lives by itself.
    life: Duration,
}

impl Unanswered {
    pub(crate) fn new(cache: Current, key: &Key, lock: Lock, token: Token, life: Duration) -> Self {
        let key = key.clone();
        Self(Some(Sent {
            cache,
            key,
            lock,
            token,
            life,
        }))
    }

    pub(crate) fn answered(mut self) {
        self.0 = None;
    }

    /// Another one was answered since, which this one would have been in the way of. It may turn up
    /// yet, and is known then.
    pub(crate) fn superseded(mut self) {
        if let Some(sent) = self.0.take() {
            sent.cache.lost().add(sent.token);
        }
    }

    /// Its caller waits for it no more, but how it ends will be known: until then so is the token, and it is
    /// given back if it is `taken`.
    pub(crate) fn leave(self, taken: impl Future<Output = Result<bool, Error>> + Send + 'static) {
        if let Some(sent) = &self.0 {
            sent.cache.lost().add(sent.token);
        }
        exec::go_on(async move {
            let ended = match (taken.await, &self.0) {
                (Ok(true), Some(sent)) => sent.release().await.is_ok(),
                (outcome, _) => outcome.is_ok(),
            };
            if ended {
                self.answered();
            }
        });
    }

    /// This, unless the server has answered.
    pub(crate) fn after<T>(self, outcome: &Result<T, Error>) -> Option<Self> {
        if outcome.as_ref().is_err_and(Error::is_passing) {
            return Some(self);
        }
        self.answered();
        None
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(sent) = self.0.take() else {
            return;
        };
        sent.cache.lost().add(sent.token);
        if sent.cache.store().answers_at_once() {
            // Nothing of it is on its way.
            let _ = exec::wait(sent.release());
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
                released = sent.release().await;
            }
            if released.is_err() {
                // If the server does not hear of it, the token expires.
                let (cache, key, token) = (&sent.cache, &sent.key, &sent.token);
                let _ = release(cache, key, sent.lock, token, sent.life).await;
            }
        };
        let _ = exec::spawn_on_io(giving_back);
    }
}

impl Sent {
    async fn release(&self) -> Result<(), Error> {
        let store = self.cache.store();
        store.release(&self.key, self.lock, &self.token).await
    }
}

/// So many tokens are tried to be given back at a time. An outage leaves one for each call that it met, and
/// all of them together would keep the I/O thread from everything else.
pub(super) const MOST_RELEASES: usize = 32;

/// Gives a token back that could not be just now, and tries for as long as it can live: until then everybody
/// waits for its holder.
pub(crate) async fn release(
    cache: &Cache,
    key: &Key,
    lock: Lock,
    token: &Token,
    life: Duration,
) -> Result<(), Error> {
    const LONGEST: Duration = Duration::from_millis(50);
    let began = Instant::now();
    let mut pause = Duration::from_millis(20);
    let store = cache.store();
    let is_worth_it = |error: &Error| error.is_passing() || store.is_away();
    tokio::time::sleep(exec::jittered(pause)).await;
    loop {
        // In turn: each has its try, and none is woken only to see that it is not the time yet.
        let turn = cache.shared.releases.acquire().await;
        let released = store.release(key, lock, token).await;
        if !released.as_ref().is_err_and(is_worth_it) || began.elapsed() >= life {
            return released;
        }
        // With the turn: none of the others would have a better answer.
        tokio::time::sleep(exec::jittered(pause)).await;
        drop(turn);
        pause = (pause * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;
    use crate::key::Key;
    use crate::testing::Faults;

    const TOKENS: usize = 2_000;

    /// How many of them are given back within a second.
    async fn given_back(tokens: &mut JoinSet<()>) -> usize {
        let mut count = 0;
        let counting = async {
            while tokens.join_next().await.is_some() {
                count += 1;
            }
        };
        let _ = timeout(Duration::from_secs(1), counting).await;
        count
    }

    /// Each for itself, they tried 30,000 times in that second.
    #[tokio::test(start_paused = true)]
    async fn many_tokens_are_given_back_in_turn() {
        // How many go through says how many are tried.
        let of_tries = Faults::none().errors(0.999);
        let cache = Cache::in_memory().failing(Faults::none().at("release", of_tries));
        let mut tokens = JoinSet::new();
        for _ in 0..TOKENS {
            let cache = cache.clone();
            tokens.spawn(async move {
                let (key, token) = (Key::new("some"), Token::fresh());
                let life = Duration::from_secs(60);
                let released = release(&cache, &key, Lock::Lease, &token, life).await;
                released.unwrap();
            });
        }
        let few = given_back(&mut tokens).await;
        assert!(few < 8, "{few}");
        cache.failing(Faults::none());
        assert_eq!(few + given_back(&mut tokens).await, TOKENS);
    }
}
