//! What a program needs to test itself without a server, and with one that fails.

use std::collections::HashMap;
use std::time::Duration;

use crate::cache::Cache;

/// How the store of a cache in memory fails, for [`Cache::failing`].
///
/// A rate is the share of commands that fail in this way, between 0 and 1; a command fails in one way
/// at most, so the rates add up to 1 at most.
///
/// ```
/// use cache_runtime::{Cache, Faults, Invalidated, Seen, observe, read_through};
///
/// #[read_through(ttl = 60)]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let cache = Cache::in_memory().failing(Faults::down());
/// cache.scope(async {
///     // The function answers all the same.
///     assert_eq!(observe(square(4)).await, (16, Seen::Bypassed));
///     assert_eq!(square::invalidate(4).await?, Invalidated::Queued);
///
///     cache.failing(Faults::none()); // the server is back
///     assert_eq!(observe(square(4)).await, (16, Seen::Loaded));
///     assert_eq!(observe(square(4)).await, (16, Seen::Stored));
/// #   Ok::<(), cache_runtime::Error>(())
/// })
/// .await
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Faults {
    seed: u64,
    delay: Duration,
    rates: Rates,
    /// Of single verbs of the store, in place of the others.
    at: HashMap<&'static str, Self>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    errors: f64,
    hangs: f64,
    lost_replies: f64,
    corrupt: f64,
}

/// What becomes of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Error,
    Hang,
    LostReply,
    Corrupt,
}

impl Faults {
    /// No faults: the server is well.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every command fails at once: nothing listens where the server should be.
    pub fn down() -> Self {
        Self::none().errors(1.0)
    }

    /// This share of commands fails at once and does nothing.
    pub fn errors(mut self, rate: f64) -> Self {
        self.rates.errors = rate;
        self.checked()
    }

    /// This share of commands does nothing and is never answered: it fails after the cache's
    /// [`connect_timeout`](crate::Config::connect_timeout) and
    /// [`response_timeout`](crate::Config::response_timeout) together.
    pub fn hangs(mut self, rate: f64) -> Self {
        self.rates.hangs = rate;
        self.checked()
    }

    /// This share of commands does its work and then fails: the connection breaks before the answer
    /// comes, so that the cache cannot know what was done.
    pub fn lost_replies(mut self, rate: f64) -> Self {
        self.rates.lost_replies = rate;
        self.checked()
    }

    /// This share of commands answers with bytes that are no JSON, where it answers with bytes.
    pub fn corrupt(mut self, rate: f64) -> Self {
        self.rates.corrupt = rate;
        self.checked()
    }

    /// Each command takes so long before it does its work, and fails if that is longer than the
    /// cache waits. It is real time, also where a test has paused tokio's clock.
    pub fn delay(mut self, by: Duration) -> Self {
        self.delay = by;
        self
    }

    /// Which commands fail is drawn from this seed, 0 by default: the same commands in the same order
    /// fail in the same way on each run. Calls that come one after the other make the same commands,
    /// unless some hang or take their time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Of one verb of the store.
    #[cfg(test)]
    pub(crate) fn at(mut self, verb: &'static str, faults: Self) -> Self {
        self.at.insert(verb, faults);
        self
    }

    fn checked(self) -> Self {
        let rates = self.rates.in_order().map(|(_, rate)| rate);
        for rate in rates {
            assert!(
                (0.0..=1.0).contains(&rate),
                "{rate} is no rate of faults; a rate is between 0 and 1"
            );
        }
        let sum: f64 = rates.iter().sum();
        assert!(
            sum <= 1.0 + f64::EPSILON,
            "the rates of faults add up to {sum}; at most each command can fail, which is 1"
        );
        self
    }

    pub(crate) fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    pub(crate) fn are_none(&self) -> bool {
        let rates = self.rates.in_order();
        self.at.is_empty() && self.delay.is_zero() && rates.iter().all(|(_, rate)| *rate == 0.0)
    }

    /// Whether no command ever waits.
    pub(crate) fn answer_at_once(&self) -> bool {
        let at_once = |of: &Self| of.delay.is_zero() && of.rates.hangs == 0.0;
        at_once(self) && self.at.values().all(at_once)
    }

    /// What becomes of a command by this verb, and how long it takes.
    pub(crate) fn draw(&self, verb: &str, random: &mut fastrand::Rng) -> (Fault, Duration) {
        let of = self.at.get(verb).unwrap_or(self);
        let mut drawn = random.f64();
        for (fault, rate) in of.rates.in_order() {
            if drawn < rate {
                return (fault, of.delay);
            }
            drawn -= rate;
        }
        (Fault::None, of.delay)
    }
}

impl Rates {
    fn in_order(self) -> [(Fault, f64); 4] {
        [
            (Fault::Error, self.errors),
            (Fault::Hang, self.hangs),
            (Fault::LostReply, self.lost_replies),
            (Fault::Corrupt, self.corrupt),
        ]
    }
}

impl Cache {
    /// From now on the store of this in-memory cache fails in these ways, so that a program can test
    /// what it does while Redis is away. Returns the same cache.
    ///
    /// Annotated functions then return what their bodies return. An invalidation that fails is
    /// [`Queued`](crate::Invalidated::Queued), and made up for by the next command that goes through.
    ///
    /// # Panics
    /// If the cache is on a server: what that does is up to the server.
    pub fn failing(&self, faults: Faults) -> Self {
        self.store().fail(faults);
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_share_of_commands_that_fail_in_this_way() {
        let faults = Faults::none().errors(0.2).hangs(0.3).corrupt(0.1);
        let mut random = faults.random();
        let mut count: HashMap<_, u32> = HashMap::new();
        for _ in 0..10_000 {
            let (fault, _) = faults.draw("get", &mut random);
            *count.entry(format!("{fault:?}")).or_default() += 1;
        }
        for (fault, about) in [
            ("Error", 2000),
            ("Hang", 3000),
            ("Corrupt", 1000),
            ("None", 4000),
        ] {
            assert!(count[fault].abs_diff(about) < 200, "{count:?}");
        }
        assert!(!count.contains_key("LostReply"));
    }

    #[test]
    #[should_panic(expected = "a rate is between 0 and 1")]
    fn a_percentage_is_no_rate() {
        let _ = Faults::none().errors(30.0);
    }

    #[test]
    #[should_panic(expected = "add up to 1.2")]
    fn no_command_fails_in_two_ways() {
        let _ = Faults::none().errors(0.6).hangs(0.6);
    }
}
