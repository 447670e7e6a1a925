//! Comparing before replacing, in the first way that the server allows: by a script, by SET with
//! IFEQ, or by a transaction on a connection of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{
    Cmd, ErrorKind as Kind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value, cmd,
};

use super::failure::{is_forbidden, is_syntax_error, read, told};
use super::lane::Again;
use super::script::Source;
use super::watched::{Exchange, Outcome};
use super::{Answer, Redis, millis, store};
use crate::error::Error;
use crate::exec;

/// What was found out about the server on the way.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Its SET has no NX together with GET: it is older than Redis 7.0.
    pub(super) lacks_set_with_get: Found,
    forbids_scripts: Forbidden,
    /// Its SET has no IFEQ.
    lacks_if_equal: Found,
    forbids_watching: Forbidden,
    /// While both are forbidden there is no way left: nothing can be compared before it is replaced.
    compares_nothing: Found,
}

/// True from when it was found out.
#[derive(Debug, Default)]
pub(super) struct Found(AtomicBool);

impl Found {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether that is news.
    pub(super) fn found(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// Believed for a while, since rights that were taken away may be given back.
#[derive(Debug, Default)]
pub(super) struct Forbidden(Mutex<Option<Instant>>);

impl Forbidden {
    const BELIEVED: Duration = Duration::from_secs(60);

    fn is_so(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    pub(super) fn found(&self, now: Instant) {
        *self.until() = Some(now + Self::BELIEVED);
    }

    /// Whether it is to be tried again. Only the first who asks then is to try.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let mut until = self.until();
        let is_over = until.is_none_or(|until| until <= now);
        if is_over {
            *until = Some(now + Self::BELIEVED);
        }
        is_over
    }

    /// Lets so much of the time go by.
    pub(super) fn advance(&self, by: Duration) {
        let mut until = self.until();
        *until = until.and_then(|until| until.checked_sub(by));
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is put in the place of what.
#[derive(Clone, Copy)]
pub(super) struct Swap<'a> {
    pub(super) name: &'a str,
    pub(super) old: &'a [u8],
    /// None if nothing is.
    pub(super) new: Option<&'a [u8]>,
    pub(super) life: Option<Duration>,
    /// Where it takes a lease: the refresh that ends with it.
    pub(super) ends: Option<&'a str>,
}

impl Swap<'_> {
    /// As a transaction that replaces it so.
    fn by(self, replacing: Cmd) -> Exchange {
        let mut commands = Pipeline::new();
        commands.add_command(replacing);
        if let Some(refresh) = self.ends {
            commands.add_command(unlink(refresh));
        }
        let old = self.old.to_vec();
        Exchange {
            keys: vec![self.name.to_owned()],
            ends: self.ends.map(str::to_owned),
            holds: Box::new(move |seen| seen[0].as_ref() == Some(&old)),
            commands,
            again: again(self.ends),
        }
    }
}

impl Server {
    /// Lets so much of the time go by after which rights are tried again.
    pub(super) fn advance(&self, by: Duration) {
        self.forbids_scripts.advance(by);
        self.forbids_watching.advance(by);
    }
}

impl Redis {
    pub(crate) fn is_unfenced(&self) -> bool {
        let Server {
            forbids_scripts,
            forbids_watching,
            compares_nothing,
            ..
        } = &self.server;
        compares_nothing.is_so() && {
            let now = Instant::now();
            forbids_scripts.is_so(now) && forbids_watching.is_so(now)
        }
    }

    /// Whether it was there, and was replaced; by this script where scripts are allowed.
    pub(super) async fn swap(
        &self,
        swap: Swap<'_>,
        script: &Source,
        arguments: &[&[u8]],
    ) -> Result<bool, Error> {
        if let Some(answer) = self.run(script, &[swap.name], arguments, swap.ends).await? {
            return self.compared(answer);
        }
        if let Some(answer) = self.swap_if_equal(swap).await? {
            return self.compared(answer);
        }
        self.swap_watched(swap).await
    }

    /// By SET with IFEQ, which Redis has since 8.4 and Valkey since 8.1; none if this server has not,
    /// or nothing is to be set.
    async fn swap_if_equal(&self, swap: Swap<'_>) -> Result<Option<Answer>, Error> {
        let Some(new) = swap.new.filter(|_| !self.server.lacks_if_equal.is_so()) else {
            return Ok(None);
        };
        let mut command = set(swap.name, new, "IFEQ", None);
        command.arg(swap.old);
        live_for(&mut command, swap.life);
        let answer = self.send_ending(command, swap.ends).await?;
        if answer.as_ref().is_err_and(is_syntax_error) {
            self.server.lacks_if_equal.found();
            return Ok(None);
        }
        Ok(Some(answer))
    }

    async fn swap_watched(&self, swap: Swap<'_>) -> Result<bool, Error> {
        let replacing = match swap.new {
            Some(new) => self.replace(swap.name, new, swap.life),
            None => unlink(swap.name),
        };
        match self.exchange(swap.by(replacing)).await?.map_err(told)? {
            Outcome::Done => Ok(true),
            Outcome::Left(_) => Ok(false),
            Outcome::Forbidden => {
                // What is only given back is not tried with IFEQ, which may be there.
                if swap.new.is_some() {
                    self.compares_nothing();
                }
                Ok(false)
            }
        }
    }

    /// Runs a script; none if scripts are forbidden.
    pub(super) async fn run(
        &self,
        source: &Source,
        keys: &[&str],
        arguments: &[&[u8]],
        ends: Option<&str>,
    ) -> Result<Option<Answer>, Error> {
        if self.server.forbids_scripts.is_so(Instant::now()) {
            return Ok(None);
        }
        let by_hash = source.by_hash(keys, arguments);
        let mut answer = self.send_ending(by_hash, ends).await?;
        if answer.as_ref().is_err_and(is_unknown_script) {
            let by_text = source.by_text(keys, arguments);
            answer = self.send_ending(by_text, ends).await?;
        }
        if answer.as_ref().is_err_and(is_forbidden) {
            self.server.forbids_scripts.found(Instant::now());
            return Ok(None);
        }
        Ok(Some(answer))
    }

    /// What replaces something in a transaction. An old server, as the first lease tells, is told that
    /// something must be there: before Redis 6.0.9 it overlooks that what is watched expires.
    pub(super) fn replace(&self, name: &str, new: &[u8], life: Option<Duration>) -> Cmd {
        match self.server.lacks_set_with_get.is_so() {
            true => set(name, new, "XX", life),
            false => store(name, new, life),
        }
    }

    /// By a transaction.
    pub(super) async fn exchange(&self, exchange: Exchange) -> Result<RedisResult<Outcome>, Error> {
        if self.server.forbids_watching.is_so(Instant::now()) {
            return Ok(Ok(Outcome::Forbidden));
        }
        let outcome = self.watched.run(exchange).await?;
        match &outcome {
            Ok(Outcome::Forbidden) => self.server.forbids_watching.found(Instant::now()),
            Ok(_) => {}
            Err(_) => self.health.wrote(&outcome),
        }
        Ok(outcome)
    }

    /// Sends a command and, if it takes a lease, behind it in the same pipeline what ends a refresh
    /// under way. In this order: a refresh that is claimed between the two could otherwise store over
    /// what the holder of the token loads.
    pub(super) async fn send_ending(
        &self,
        command: Cmd,
        ends: Option<&str>,
    ) -> Result<Answer, Error> {
        let mut commands = Pipeline::new();
        commands.add_command(command);
        let Some(refresh) = ends else {
            let [answer] = self.answers(commands, again(ends)).await?;
            return Ok(answer);
        };
        commands.cmd("UNLINK").arg(refresh);
        let [answer, unlinked] = self.answers(commands, again(ends)).await?;
        if answer.is_ok() {
            read::<Value>(unlinked)?;
        }
        Ok(answer)
    }

    /// Whether a comparison held, by the answer of a script (a number) or of a SET with IFEQ.
    pub(super) fn compared(&self, answer: Answer) -> Result<bool, Error> {
        if answer.is_err() {
            // That it was taken says nothing: what only extends or ends is taken by a full server.
            self.health.wrote(&answer);
        }
        Ok(!matches!(
            read::<Value>(answer)?,
            Value::Nil | Value::Int(0)
        ))
    }

    /// No way to compare is left.
    pub(super) fn compares_nothing(&self) {
        if self.server.compares_nothing.found() {
            exec::aside(|| {
                tracing::warn!(
                    "redis forbids scripts and transactions and has no SET with IFEQ, so that there \
                     are no leases: processes that miss together all load, and a value read before \
                     an invalidation may be stored after it"
                );
            });
        }
    }
}

/// What takes a lease, and so ends a refresh, carries a token that is of one send.
fn again(ends: Option<&str>) -> Again {
    match ends {
        Some(_) => Again::No,
        None => Again::Yes,
    }
}

/// Under this condition.
pub(super) fn set(name: &str, new: &[u8], condition: &str, life: Option<Duration>) -> Cmd {
    let mut set = cmd("SET");
    set.arg(name).arg(new).arg(condition);
    live_for(&mut set, life);
    set
}

fn unlink(name: &str) -> Cmd {
    let mut unlink = cmd("UNLINK");
    unlink.arg(name);
    unlink
}

fn live_for(set: &mut Cmd, life: Option<Duration>) {
    if let Some(life) = life {
        set.arg("PX").arg(millis(life));
    }
}

/// Nothing ran.
fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == Kind::Server(ServerErrorKind::NoScript)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else that would come back, and with it a value from before the lease.
    #[test]
    fn a_refresh_is_not_extended_by_the_transaction_that_ends_it() {
        let swap = |name, ends| Swap {
            name,
            old: b"old",
            new: Some(b"new"),
            life: None,
            ends,
        };
        let exchange = |name, ends| swap(name, ends).by(set(name, b"new", "XX", None));
        let displacing = exchange("key", Some("key:refresh"));
        let extending = exchange("key:refresh", None);
        let of_another = exchange("other", Some("other:refresh"));
        assert!(displacing.shares_a_key_with(&extending));
        assert!(extending.shares_a_key_with(&displacing));
        assert!(!of_another.shares_a_key_with(&extending));
        assert!(!of_another.shares_a_key_with(&displacing));
    }

    #[test]
    fn what_is_forbidden_is_asked_for_again_after_a_while() {
        let (forbidden, now) = (Forbidden::default(), Instant::now());
        assert!(!forbidden.is_so(now));
        forbidden.found(now);
        let later = now + Forbidden::BELIEVED;
        assert!(forbidden.is_so(now) && forbidden.is_so(later - Duration::from_millis(1)));
        assert!(!forbidden.is_so(later));
        forbidden.found(later);
        assert!(forbidden.is_so(later));
    }
}
