//! Where values are kept: the verbs that a call needs, and the two places that offer them.

mod answers;
#[cfg(any(test, feature = "testing"))]
mod failing;
mod memory;
mod reading;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::Pool;

pub use self::answers::Invalidated;
pub(crate) use self::answers::{Found, Leased, Left, Lock, Waited};
#[cfg(any(test, feature = "testing"))]
use self::failing::Failing;
use self::memory::Memory;
pub(crate) use self::reading::Reading;
use self::redis::Redis;
use crate::config::Config;
use crate::error::Error;
use crate::event::Listeners;
use crate::key::Key;
use crate::lease::Token;
use crate::metrics::OfMemory;
use crate::near::Near;
use crate::owed::Owed;
use crate::size::Size;
#[cfg(any(test, feature = "testing"))]
use crate::testing::Faults;

#[derive(Debug)]
pub(crate) enum Store {
    Redis(Redis),
    Memory {
        memory: Memory,
        #[cfg(any(test, feature = "testing"))]
        failing: Box<Failing>,
    },
}

/// Calls the same verb of whichever store it is.
macro_rules! of_each {
    ($store:expr, $verb:ident($($argument:expr),*)) => {
        match $store {
            Self::Redis(redis) => {
                let answer = redis.$verb($($argument),*).await;
                answer.inspect_err(|error| redis.meter().failed(error))
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Memory { memory, failing } if failing.is_on() => {
                let work = || memory.$verb($($argument),*);
                failing.around(stringify!($verb), memory, work).await
            }
            Self::Memory { memory, .. } => Ok(memory.$verb($($argument),*)),
        }
    };
}

impl Store {
    /// The store that the configuration's URL names, which tells `listeners` of its changes.
    /// Connects to nothing.
    pub(crate) fn open(
        config: &Config,
        owed: &Arc<Owed>,
        near: &Arc<Near>,
        listeners: &Arc<Listeners>,
    ) -> Result<Self, Error> {
        if config.url == "memory://" {
            return Ok(Self::memory(config, owed));
        }
        Redis::new(config, owed, near, listeners).map(Self::Redis)
    }

    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(unused_variables, reason = "nothing is owed where nothing fails")
    )]
    pub(crate) fn memory(config: &Config, owed: &Arc<Owed>) -> Self {
        Self::Memory {
            memory: Memory::new(config.memory_bytes, OfMemory::new(&config.prefix)),
            #[cfg(any(test, feature = "testing"))]
            failing: Box::new(Failing::new(config, owed)),
        }
    }

    /// What stands under the key, of about this size, and with `left` for how long yet. What is no
    /// string was never ours and counts as nothing.
    pub(crate) fn get<'a>(&'a self, key: &'a Key, left: bool, size: Size) -> Reading<'a> {
        match self {
            Self::Redis(redis) => redis.get(key, left, size),
            #[cfg(any(test, feature = "testing"))]
            Self::Memory { memory, failing } if failing.is_on() => {
                let work = move || memory.get(key, left);
                Reading::Boxed(Box::pin(failing.around("get", memory, work)))
            }
            Self::Memory { memory, .. } => Reading::now(Ok(memory.get(key, left))),
        }
    }

    /// Counts a [`get`](Self::get) that failed; the other verbs count for themselves.
    pub(crate) fn failed(&self, error: &Error) {
        if let Self::Redis(redis) = self {
            redis.meter().failed(error);
        }
    }

    /// The same, with the time left, in a way that the near tier is told of the next change where
    /// that is possible. Its watch of the key must be there before.
    pub(crate) fn get_watched<'a>(&'a self, key: &'a Key, size: Size) -> Reading<'a> {
        match self {
            Self::Redis(redis) => redis.get_watched(key, size),
            #[cfg(any(test, feature = "testing"))]
            Self::Memory { memory, failing } if failing.is_on() => {
                let work = move || memory.get_watched(key);
                Reading::Boxed(Box::pin(failing.around("get", memory, work)))
            }
            Self::Memory { memory, .. } => Reading::now(Ok(memory.get_watched(key))),
        }
    }

    /// Whether changes that others make are told of.
    pub(crate) fn tells_changes(&self) -> bool {
        match self {
            Self::Redis(redis) => redis.tells_changes(),
            _ => true,
        }
    }

    /// What stands under each key, in their order, in one round trip.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        of_each!(self, get_many(keys))
    }

    /// Takes the lease of the key if nothing stands there. Whoever takes it ends a refresh under
    /// way: what that one read is older than what will be loaded now.
    pub(crate) async fn lease(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
    ) -> Result<Leased, Error> {
        of_each!(self, lease(key, token, life))
    }

    /// Puts a lease in the place of bytes that cannot be used, if they still stand there.
    pub(crate) async fn displace(
        &self,
        key: &Key,
        unusable: &[u8],
        token: &Token,
        life: Duration,
    ) -> Result<bool, Error> {
        of_each!(self, displace(key, unusable, token, life))
    }

    /// Puts a lease under the key whatever stands there, and ends a refresh under way.
    pub(crate) async fn seize(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
    ) -> Result<(), Error> {
        of_each!(self, seize(key, token, life))
    }

    /// Lets the holder's token live for so long from now. Whether it is still there.
    pub(crate) async fn extend(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        life: Duration,
    ) -> Result<bool, Error> {
        of_each!(self, extend(key, lock, token, life))
    }

    /// Stores the holder's value if its token is still there. Whether it was.
    pub(crate) async fn fill(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        of_each!(self, fill(key, lock, token, json, ttl))
    }

    /// Stores a value whatever stands there.
    pub(crate) async fn set(
        &self,
        key: &Key,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<(), Error> {
        of_each!(self, set(key, json, ttl))
    }

    /// Gives the holder's token back.
    pub(crate) async fn release(&self, key: &Key, lock: Lock, token: &Token) -> Result<(), Error> {
        of_each!(self, release(key, lock, token))
    }

    /// Claims the refreshing of the key's value; whether nobody had claimed it before, unless it is
    /// taken over.
    pub(crate) async fn claim(
        &self,
        key: &Key,
        token: &Token,
        life: Duration,
        take_over: bool,
    ) -> Result<bool, Error> {
        of_each!(self, claim(key, token, life, take_over))
    }

    /// Ends a refresh under way, then removes what stands under the key, in this order: the other
    /// way round, the refresh could store its old value in between.
    pub(crate) async fn remove(&self, key: &Key) -> Result<Invalidated, Error> {
        let removed = of_each!(self, remove(key));
        #[cfg(any(test, feature = "testing"))]
        if let Self::Memory { failing, .. } = self {
            return failing.owing(key, removed);
        }
        removed
    }

    /// Sees to it that what is owed is delivered, where nobody could be found for it.
    pub(crate) fn make_up(&self) {
        if let Self::Redis(redis) = self {
            // Without the I/O thread, the next call tries again.
            let _ = redis.make_up();
        }
    }

    /// Remembers that it has yet to be removed.
    pub(crate) fn owe(&self, key: &Key) {
        // An error if more is owed than can be remembered.
        let _ = match self {
            Self::Redis(redis) => redis.owe(key, Error::late()),
            #[cfg(any(test, feature = "testing"))]
            Self::Memory { failing, .. } => failing.owing(key, Err(Error::late())),
            #[cfg(not(any(test, feature = "testing")))]
            Self::Memory { .. } => Ok(Invalidated::Absent),
        };
    }

    /// Whether nothing can be compared here before it is replaced, so that there are no leases.
    pub(crate) fn is_unfenced(&self) -> bool {
        match self {
            Self::Redis(redis) => redis.is_unfenced(),
            _ => false,
        }
    }

    /// Whether there is a server and asking it would be in vain.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Redis(redis) => redis.is_away(),
            _ => false,
        }
    }

    pub(crate) fn takes_writes(&self) -> bool {
        match self {
            Self::Redis(redis) => redis.takes_writes(),
            _ => true,
        }
    }

    /// How often the server went away.
    pub(crate) fn outages(&self) -> u64 {
        match self {
            Self::Redis(redis) => redis.outages(),
            _ => 0,
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Redis(redis) => {
                let answer = redis.ping().await;
                answer.inspect_err(|error| redis.meter().failed(error))
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Memory { memory, failing } if failing.is_on() => {
                failing.around("ping", memory, || ()).await
            }
            Self::Memory { .. } => Ok(()),
        }
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        match self {
            Self::Redis(redis) => redis.pool(),
            _ => None,
        }
    }

    /// Moves what is ours of the clock.
    pub(crate) fn advance(&self, by: Duration) {
        match self {
            Self::Redis(redis) => redis.advance(by),
            Self::Memory { memory, .. } => memory.advance(by),
        }
    }

    /// Makes the commands of a store in memory fail from now on.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn fail(&self, faults: Faults) {
        match self {
            Self::Memory { memory, failing } => failing.set(faults, memory),
            Self::Redis(_) => panic!(
                "`failing` is for a cache in memory; to see a server fail, stop or freeze it"
            ),
        }
    }

    /// Whether no command ever waits.
    pub(crate) fn answers_at_once(&self) -> bool {
        match self {
            Self::Redis(_) => false,
            #[cfg(any(test, feature = "testing"))]
            Self::Memory { failing, .. } => failing.answers_at_once(),
            #[cfg(not(any(test, feature = "testing")))]
            Self::Memory { .. } => true,
        }
    }

    pub(crate) async fn close(&self) {
        if let Self::Redis(redis) = self {
            redis.close().await;
        }
    }
}
