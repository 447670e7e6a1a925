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

/// Gives a token back, and tries for as long as it can live: until then everybody waits for its
/// holder.
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
    loop {
        tokio::time::sleep(exec::jittered(pause)).await;
        pause = (pause * 2).min(LONGEST);
        let released = store.release(key, lock, token).await;
        let is_worth_it = |error: &Error| error.is_passing() || store.is_away();
        if !released.as_ref().is_err_and(is_worth_it) || began.elapsed() >= life {
            return released;
        }
    }
}
