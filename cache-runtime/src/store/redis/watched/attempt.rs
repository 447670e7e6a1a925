//! What some wait for, tried together on one connection.
//!
//! It begins with a transaction of nothing. That ends the watches that an earlier one left, and tells
//! whether the server lets transactions be: without MULTI the commands behind it would be done
//! whatever stands there.

use redis::{ErrorKind as Kind, Pipeline, RedisError, RedisResult, Value};

use super::super::connect::{Connection, Place};
use super::super::failure::{is_forbidden, timed_out};
use super::super::lanes::is_large;
use super::super::patience::patiently;
use super::{Outcome, Stored, Waiting, Watched};

pub(super) struct Attempt<'a> {
    pub(super) watched: &'a Watched,
    pub(super) place: &'a Place,
    /// The slot is on its way to there.
    pub(super) asks: bool,
}

/// Why it did not come to an end for those who still wait.
pub(super) enum Failed {
    Forbidden,
    /// Nothing was done.
    Looking(RedisError),
    Acting(RedisError),
}

type Answers = Vec<RedisResult<Value>>;

impl Attempt<'_> {
    /// Answers those whose end is known, and takes them out of the batch.
    pub(super) async fn make(
        &self,
        connection: &mut Connection,
        batch: &mut Vec<Waiting>,
    ) -> Result<(), Failed> {
        while !batch.is_empty() {
            let seen = self.look(connection, batch).await?;
            let is_alone = batch.len() == 1;
            for (waiting, seen) in std::mem::take(batch).into_iter().zip(seen) {
                match seen {
                    Ok(seen) if (waiting.exchange.holds)(&seen) => batch.push(waiting),
                    Ok(seen) => waiting.answer(Ok(Outcome::Left(seen))),
                    Err(error) if is_alone => {
                        batch.push(waiting);
                        return Err(Failed::Looking(error));
                    }
                    Err(error) => waiting.answer(Err(error)),
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            let done = self.act(connection, batch).await.map_err(Failed::Acting)?;
            let is_alone = batch.len() == 1;
            for (waiting, done) in std::mem::take(batch).into_iter().zip(done) {
                match done {
                    Ok(true) => waiting.answer(Ok(Outcome::Done)),
                    Ok(false) => batch.push(waiting),
                    Err(error) if is_alone => {
                        batch.push(waiting);
                        return Err(Failed::Acting(error));
                    }
                    Err(error) => waiting.answer(Err(error)),
                }
            }
            // Somebody came in between, if only to extend the life of what stands there: another look
            // tells, for as long as it is waited for.
            batch.retain(|waiting| !waiting.tell.is_closed());
            let others = batch.split_off(batch.len().div_ceil(2));
            self.watched.give_back(others);
        }
        Ok(())
    }

    /// What stands under the keys of each, which are watched from here on.
    async fn look(
        &self,
        connection: &mut Connection,
        batch: &[Waiting],
    ) -> Result<Vec<RedisResult<Vec<Stored>>>, Failed> {
        let mut commands = Pipeline::new();
        commands.cmd("MULTI").cmd("EXEC");
        for key in batch.iter().flat_map(|waiting| &waiting.exchange.keys) {
            self.begin(&mut commands).cmd("WATCH").arg(key);
            self.begin(&mut commands).cmd("GET").arg(key);
        }
        let answers = self.send(connection, &commands).await;
        let mut answers = answers.map_err(Failed::Looking)?.into_iter();
        let mut lets = answers.by_ref().take(2).collect::<Answers>();
        let mut seen = Vec::with_capacity(batch.len());
        for waiting in batch {
            let mut read = Vec::with_capacity(waiting.exchange.keys.len());
            for _ in &waiting.exchange.keys {
                let of_key = answers.by_ref().take(if self.asks { 4 } else { 2 });
                let mut of_key = of_key.collect::<Answers>();
                let stored = of_key.pop().unwrap_or_else(|| Err(unfit()));
                // What is wrong with the server or with the key is wrong with reading it, too.
                if stored.is_ok() {
                    lets.append(&mut of_key);
                }
                read.push(stored);
            }
            let read = read.into_iter().collect::<RedisResult<Vec<_>>>();
            seen.push(read);
        }
        let refused: Vec<_> = lets.into_iter().filter_map(Result::err).collect();
        if refused.iter().any(is_forbidden) {
            return Err(Failed::Forbidden);
        }
        if let Some(error) = refused.into_iter().next() {
            return Err(Failed::Looking(error));
        }
        let stored = |read: Vec<Value>| read.into_iter().map(stored).collect();
        Ok(seen.into_iter().map(|read| read.and_then(stored)).collect())
    }

    /// Whether what each wants was done.
    async fn act(
        &self,
        connection: &mut Connection,
        batch: &[Waiting],
    ) -> RedisResult<Vec<RedisResult<bool>>> {
        let mut commands = Pipeline::new();
        self.begin(&mut commands).cmd("MULTI");
        let first = commands.len();
        for waiting in batch {
            for command in waiting.exchange.commands.cmd_iter() {
                commands.add_command(command.clone());
            }
        }
        commands.cmd("EXEC");
        let mut answers = self.send(connection, &commands).await?;
        let executed = answers.pop().unwrap_or_else(|| Err(unfit()));
        let queued = answers.split_off(first.min(answers.len()));
        if let Some(error) = answers.into_iter().find_map(Result::err) {
            return Err(error);
        }
        if queued.iter().any(Result::is_err) {
            // Then nothing was done, and those who did not cause it try again.
            return Ok(of_each(batch, queued, |_| false));
        }
        match executed? {
            Value::Nil => Ok(batch.iter().map(|_| Ok(false)).collect()),
            Value::Array(done) => {
                let done = done.into_iter().map(Value::extract_error).collect();
                // That of a SET with XX or NX, if the server overlooked that the key expired.
                Ok(of_each(batch, done, |done| !done.contains(&Value::Nil)))
            }
            _ => Err(unfit()),
        }
    }

    /// ASKING is of the next command, or of all in a transaction.
    fn begin<'a>(&self, commands: &'a mut Pipeline) -> &'a mut Pipeline {
        if self.asks {
            commands.cmd("ASKING");
        }
        commands
    }

    async fn send(&self, connection: &mut Connection, commands: &Pipeline) -> RedisResult<Answers> {
        let Watched { health, lane, .. } = self.watched;
        let answers = patiently(lane.limit(), connection.send(commands)).await;
        let answers = answers.unwrap_or_else(|| Err(timed_out()));
        match &answers {
            Ok(answers) => {
                health.answered();
                let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
                errors.for_each(|error| health.look_at(error));
            }
            Err(error) => {
                let is_large = is_large(commands);
                self.watched.unanswered(error, self.place, is_large).await;
            }
        }
        answers
    }
}

/// The answers to the commands of each, as one.
fn of_each(
    batch: &[Waiting],
    answers: Answers,
    is_done: impl Fn(Vec<Value>) -> bool,
) -> Vec<RedisResult<bool>> {
    let mut answers = answers.into_iter();
    let of_one = |waiting: &Waiting| {
        let own = answers.by_ref().take(waiting.exchange.commands.len());
        let own = own.collect::<Answers>();
        own.into_iter().collect::<RedisResult<_>>().map(&is_done)
    };
    batch.iter().map(of_one).collect()
}

fn stored(value: Value) -> RedisResult<Stored> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(unfit()),
    }
}

fn unfit() -> RedisError {
    (Kind::UnexpectedReturnType, "that is no answer to it").into()
}
