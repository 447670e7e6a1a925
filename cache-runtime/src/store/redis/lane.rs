//! One shared connection with many commands in flight: sending on it, and what an answer, or none,
//! says about it.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::connect::Place;
use super::deadline::Deadline;
use super::failure::{Class, broke, class, late, timed_out, told};
use super::link::{Link, Live};
use super::pulse::Pulse;
use crate::error::Error;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::time::Instant;

/// Whether commands that met a connection which had broken while idle are sent once more on a new
/// one. Commands that carry a fresh token never are: a first copy that arrives late would be taken
/// for the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

pub(super) struct Lane {
    link: Arc<Link>,
    /// How long one answer may take.
    limit: Duration,
}

/// A command on its way.
struct OnTheWay<'a> {
    pulse: &'a Pulse,
    answers_before: u64,
}

impl<'a> OnTheWay<'a> {
    fn on(pulse: &'a Pulse) -> Self {
        let answers_before = pulse.answers();
        Self {
            pulse,
            answers_before,
        }
    }

    /// Waits for its answer. In two halves: what others were answered in the first one says little,
    /// since it was sent earlier.
    async fn wait<T>(
        &mut self,
        deadline: &mut Deadline,
        mut answer: Pin<&mut impl Future<Output = RedisResult<T>>>,
    ) -> RedisResult<T> {
        if let Some(answer) = deadline.wait_half(answer.as_mut()).await {
            return answer;
        }
        self.answers_before = self.pulse.answers();
        let waited = deadline.wait(answer).await;
        waited.unwrap_or_else(|| Err(timed_out()))
    }

    /// Whether nothing at all was answered on its connection meanwhile.
    fn ended_in_silence(&self) -> bool {
        self.pulse.answers() == self.answers_before
    }
}

impl Lane {
    pub(super) fn new(link: Arc<Link>, limit: Duration) -> Self {
        Self { link, limit }
    }

    /// How long one answer may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The deadline of what is asked now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::new(self.limit)
    }

    /// Sends commands together; one answer each.
    pub(super) async fn send(
        &self,
        commands: &Pipeline,
        again: Again,
        deadline: &mut Deadline,
    ) -> Result<Vec<RedisResult<Value>>, Error> {
        match self.send_once(commands, deadline).await? {
            Err(error) if again == Again::Yes && broke(&error) => deadline.spend(),
            answers => return answers.map_err(told),
        }
        self.send_once(commands, deadline).await?.map_err(told)
    }

    async fn send_once(
        &self,
        commands: &Pipeline,
        deadline: &mut Deadline,
    ) -> Result<RedisResult<Vec<RedisResult<Value>>>, Error> {
        let mut live = self.link.connection(deadline).await?;
        let had = deadline.left();
        let mut on_the_way = OnTheWay::on(&live.pulse);
        let answers = {
            let asking = pin!(live.connection.send(commands));
            on_the_way.wait(deadline, asking).await
        };
        self.is_worth_telling(had, &answers)?;
        let silent = on_the_way.ended_in_silence();
        self.heard(&live, silent, answers.as_ref().err());
        for error in answers
            .iter()
            .flatten()
            .filter_map(|one| one.as_ref().err())
        {
            self.link.look_at(live.number, error);
        }
        Ok(answers)
    }

    /// Sends one command that reads.
    pub(super) async fn send_one(
        &self,
        command: &Cmd,
        deadline: &mut Deadline,
    ) -> Result<RedisResult<Value>, Error> {
        match self.send_one_once(command, deadline).await? {
            Err(error) if broke(&error) => {
                deadline.spend();
                self.send_one_once(command, deadline).await
            }
            answer => Ok(answer),
        }
    }

    async fn send_one_once(
        &self,
        command: &Cmd,
        deadline: &mut Deadline,
    ) -> Result<RedisResult<Value>, Error> {
        let mut live = self.link.connection(deadline).await?;
        let had = deadline.left();
        let mut on_the_way = OnTheWay::on(&live.pulse);
        let answer = {
            let asking = pin!(live.connection.send_one(command));
            on_the_way.wait(deadline, asking).await
        };
        self.is_worth_telling(had, &answer)?;
        let silent = on_the_way.ended_in_silence();
        self.heard(&live, silent, answer.as_ref().err());
        Ok(answer)
    }

    /// An error if it was late, but waited for for too short a time to tell more of the connection than
    /// a caller who leaves: it `had` little of the deadline when it was sent.
    fn is_worth_telling<T>(&self, had: Duration, answer: &RedisResult<T>) -> Result<(), Error> {
        let is_late = answer
            .as_ref()
            .is_err_and(|error| class(error) == Class::Late);
        if is_late && had < self.limit / 2 {
            return Err(late());
        }
        Ok(())
    }

    /// What an answer, or an error in the place of one, says about the connection and the server.
    fn heard(&self, live: &Live, silent: bool, error: Option<&RedisError>) {
        let health = self.link.health();
        let Some(error) = error else {
            live.pulse.answered();
            health.answered();
            return;
        };
        match class(error) {
            Class::Late if silent => self.link.suspect(live.number),
            // Others were answered meanwhile: the connection is well, and one node is looked after there.
            Class::Late if self.is_cluster() => {}
            // The connection is well, the server is slow.
            Class::Late => self.link.late(1),
            Class::Dead => self.link.lost(live.number),
            class => {
                live.pulse.answered();
                health.answered();
                self.link.look_at(live.number, error);
                if class == Class::Forbidden {
                    health.forbids_reads();
                }
            }
        }
    }

    /// Makes up for what is owed, now.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        self.link.settle().await
    }

    /// When it had a connection first.
    pub(super) fn first_connected(&self) -> Option<Instant> {
        self.link.first_connected()
    }

    /// Whether making a connection panicked.
    pub(super) fn broke_off(&self) -> bool {
        self.link.broke_off()
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.link.is_cluster()
    }

    /// Where this key is.
    pub(super) async fn place_of(&self, key: &str) -> Result<Place, Error> {
        if !self.is_cluster() {
            return Ok(Place::Master);
        }
        let live = self.link.connection(&mut self.deadline()).await?;
        live.connection.place_of(key).map_err(told)
    }

    /// Has it found out behind everybody's back who has which keys now.
    pub(super) async fn ask_for_owners(&self) {
        if self.is_cluster()
            && let Ok(live) = self.link.connection(&mut self.deadline()).await
        {
            live.connection.ask_for_owners();
        }
    }

    /// What is sent next goes out on a new connection.
    pub(super) fn drop_connection(&self) {
        self.link.drop_connection();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    pub(super) fn close(&self) {
        self.link.close();
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}
