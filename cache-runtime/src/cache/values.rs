//! Values by their keys: what programs, companions and addressed calls read, store and remove
//! without a call of the function.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cache, Unanswered};
use crate::current::Current;
use crate::error::{Error, ErrorKind};
use crate::guard;
use crate::json;
use crate::key::{AsKey, Key};
use crate::lease::Token;
use crate::load::LONGEST;
use crate::spec::Spec;
use crate::store::{Invalidated, Lock};

impl Cache {
    /// Reads the value stored under a key. One that is being loaded is none yet.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if it is not JSON of this type, or what kept the server from
    /// answering.
    pub async fn get<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, Error> {
        let key = self.usable(key.as_key())?;
        let found = self.fetch_many(std::slice::from_ref(&key)).await?.pop();
        let read = |json: Vec<u8>| {
            guard::of_user(|| json::decode(&json)).unwrap_or_else(|| Err(json::unreadable()))
        };
        found.flatten().map(read).transpose()
    }

    /// Stores a value under a key, by SETEX with a time to live and by SET without. A time to live ends
    /// after 365,000 days at the latest. A value that is too
    /// large, or lives for no time, removes the old one: its caller has said that the old one is wrong.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] if it cannot be JSON, [`ErrorKind::TooLarge`] if it or its key is too
    /// long, [`ErrorKind::Ttl`] for a time of zero, or what kept the server from storing it.
    pub fn set<K: AsKey, T: Serialize + ?Sized>(
        &self,
        key: K,
        value: &T,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<K, T> {
        let json = guard::of_user(|| json::encode(value)).unwrap_or_else(|| Err(Error::of_panic()));
        let ready = json.map(|json| (self.clone(), key.as_key(), json));
        async move {
            let (cache, key, json) = ready?;
            let key = cache.usable(key)?;
            let ttl = ttl.map(|ttl| ttl.min(LONGEST));
            cache.put(&key, json, ttl, ttl).await
        }
    }

    /// Forgets what is stored under a key. After this returned, no call that begins later is
    /// answered with a value that was read before, in this process or another, unless it returned
    /// [`Invalidated::Queued`].
    ///
    /// # Errors
    /// What kept the server from removing it.
    pub async fn invalidate(&self, key: impl AsKey) -> Result<Invalidated, Error> {
        let key = self.usable(key.as_key())?;
        let removed = self.remove(&key).await?;
        self.tell(removed.event(), "", &key, Duration::default);
        Ok(removed)
    }

    /// The same for a value of this function.
    pub(crate) async fn invalidate_of(
        &self,
        spec: &'static Spec,
        key: Key,
    ) -> Result<Invalidated, Error> {
        let key = self.usable(key)?;
        let removed = self.remove(&key).await?;
        self.shared.ledger.of(spec).add(removed.event());
        self.tell(removed.event(), spec.name(), &key, Duration::default);
        Ok(removed)
    }

    pub(crate) async fn fetch_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let found = self.shared.store.get_many(keys).await?;
        let value = |(key, json): (&Key, Option<Vec<u8>>)| {
            // What an owed invalidation has yet to remove is not there for this process.
            json.filter(|json| Token::read(json).is_none() && !self.shared.owed.contains(key))
        };
        Ok(keys.iter().zip(found).map(value).collect())
    }

    /// Forgotten here before and after: a load that began in between may have read what is removed,
    /// and so may a read whose value is about to be kept.
    pub(crate) async fn remove(&self, key: &Key) -> Result<Invalidated, Error> {
        self.forget_here(key);
        let removed = self.shared.store.remove(key).await;
        self.forget_here(key);
        removed
    }

    /// Has it removed behind, since the server has not said in time that it is gone: until it is, this
    /// process does not read it.
    pub(crate) fn owe(&self, key: &Key) {
        self.shared.store.owe(key);
        self.forget_here(key);
    }

    /// What this process has of a key: nobody who comes now is answered with it.
    pub(crate) fn forget_here(&self, key: &Key) {
        self.shared.board.detach(key);
        self.shared.near.forget(key);
    }

    /// Stores a value as a load would, in two steps: a first step that arrives late is a lease that
    /// nobody holds, and a second one is refused.
    pub(crate) async fn put(
        &self,
        key: &Key,
        json: Vec<u8>,
        ttl: Option<Duration>,
        kept: Option<Duration>,
    ) -> Result<(), Error> {
        if let Err(error) = self.storable(&json, ttl) {
            // An error leaves the old value pending, if it can.
            let _ = self.remove(key).await;
            return Err(error);
        }
        let store = &self.shared.store;
        self.forget_here(key);
        if store.is_unfenced() {
            store.set(key, json, kept).await?;
        } else {
            let (token, seized) = self.seize(key).await?;
            let filling = store.fill(key, Lock::Lease, &token, json, kept);
            // Refused, it was invalidated just after it was put. After an error, or if the caller
            // leaves here, the token may be there and is given back.
            filling.await?;
            seized.answered();
        }
        self.forget_here(key);
        Ok(())
    }

    /// A connection that broke while it was idle says so only when it is used: then the token is
    /// not known to be there, and another is sent on a new connection.
    async fn seize(&self, key: &Key) -> Result<(Token, Unanswered), Error> {
        match self.seize_once(key).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => self.seize_once(key).await,
            seized => seized,
        }
    }

    async fn seize_once(&self, key: &Key) -> Result<(Token, Unanswered), Error> {
        let token = Token::fresh();
        let unanswered = Unanswered::new(
            Current::Own(self.clone()),
            key,
            Lock::Lease,
            token,
            Spec::LEASE,
        );
        match self.shared.store.seize(key, &token, Spec::LEASE).await {
            Ok(()) => Ok((token, unanswered)),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                unanswered.answered();
                Err(error)
            }
        }
    }

    pub(crate) fn storable(&self, json: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
        let max = self.shared.config.max_value_bytes;
        if json.len() > max {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the value is longer than {max} bytes"),
            ));
        }
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            return Err(Error::new(
                ErrorKind::Ttl,
                "a time to live of zero would expire at once; leave `ttl` out to keep values until they \
                 are invalidated",
            ));
        }
        Ok(())
    }
}
