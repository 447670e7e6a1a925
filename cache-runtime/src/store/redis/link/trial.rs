//! The search for a connection in the place of one that broke or is suspect.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::super::connect::Connection;
use super::super::patience::patiently;
use super::{Link, Live, State};
use crate::error::{Error, ErrorKind};

/// From one attempt to the next, at first.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The search, for those who wait for it.
pub(super) struct Trial {
    /// What the latest attempt came to; none while one is under way.
    outcome: watch::Receiver<Outcome>,
    /// Ends the pause before the next attempt.
    hurry: Arc<Notify>,
    /// Commands that met their deadline on the suspect.
    pub(super) late: u64,
    /// An attempt was not answered in time, as the next one may not be. One that is refused is short.
    was_late: bool,
}

type Outcome = Option<Result<(), Error>>;

impl Link {
    /// The search for another connection, which begins now unless it is under way.
    pub(super) fn try_another<'a>(self: &Arc<Self>, state: &'a mut State) -> &'a mut Trial {
        state.trial.get_or_insert_with(|| {
            let (tell, outcome) = watch::channel(None);
            let hurry = Arc::<Notify>::default();
            // In a task of its own: callers who leave early must not keep it from ever ending.
            tokio::spawn(try_until_found(Arc::downgrade(self), tell, hurry.clone()));
            Trial {
                outcome,
                hurry,
                late: 0,
                was_late: false,
            }
        })
    }

    /// One attempt: whether a connection was found.
    async fn attempt(self: &Arc<Self>) -> Result<(), Error> {
        let as_of = self.health.as_of();
        let suspect = self.state().live.clone();
        let finding = async {
            match suspect {
                None => self.connect().await.map(Some),
                Some(suspect) => self.replace(suspect).await,
            }
        };
        let limit = self.connector.response_timeout() / 2;
        let mut finding = pin!(finding);
        let in_time = patiently(limit, finding.as_mut()).await;
        let is_prompt = in_time.is_some();
        let found = match in_time {
            Some(found) => found,
            None => finding.await,
        };
        let late = {
            let mut state = self.state();
            let trial = state.trial.as_mut();
            trial.map_or(0, |trial| std::mem::take(&mut trial.late))
        };
        if late > 0 && (found.is_err() || !is_prompt) {
            // So it was the server, and not our own driver, that kept them waiting.
            self.late(late);
        }
        match found? {
            Some(connection) => self.take(connection, as_of),
            None => {
                if let Some(live) = &mut self.state().live {
                    live.as_of = as_of;
                    live.pulse.answered();
                }
            }
        }
        Ok(())
    }

    /// A new connection if it answers before the suspect does.
    async fn replace(&self, mut suspect: Live) -> Result<Option<Connection>, Error> {
        let mut proving = pin!(self.prove(&mut suspect.connection));
        let mut connecting = pin!(self.connect());
        let (mut proven, mut connected) = (None, None);
        poll_fn(|context| {
            if proven.is_none()
                && let Poll::Ready(outcome) = proving.as_mut().poll(context)
            {
                proven = Some(outcome);
            }
            if let Some(Ok(())) = proven {
                return Poll::Ready(Ok(None));
            }
            if connected.is_none()
                && let Poll::Ready(outcome) = connecting.as_mut().poll(context)
            {
                connected = Some(outcome);
            }
            match (&proven, connected.take()) {
                (_, Some(Ok(connection))) => Poll::Ready(Ok(Some(connection))),
                (Some(_), Some(Err(error))) => Poll::Ready(Err(error)),
                (_, failed) => {
                    connected = failed;
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Trial {
    /// What the attempt under way comes to, or the next one, which then begins at once. None if nobody is
    /// to wait for it.
    pub(super) fn next_attempt(&self) -> Option<impl Future<Output = Outcome> + Send + use<>> {
        let mut outcome = self.outcome.clone();
        let pauses = outcome.borrow_and_update().is_some();
        if pauses {
            self.hurry.notify_one();
        }
        (!self.was_late).then_some(async move {
            if pauses {
                outcome.changed().await.ok()?;
            }
            let told = outcome.wait_for(Option::is_some).await;
            told.map_or(None, |outcome| outcome.clone())
        })
    }
}

/// A search under way. However it ends, the next one can begin: a panic, of a library or of the
/// user's log, is not the end of the link.
struct Search {
    link: Weak<Link>,
    tell: watch::Sender<Outcome>,
    hurry: Arc<Notify>,
}

impl Drop for Search {
    fn drop(&mut self) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let mut state = link.state();
        let is_ours = |trial: &mut Trial| Arc::ptr_eq(&trial.hurry, &self.hurry);
        // Before those who wait are told, by the end of the sender: they may come again at once.
        if state.trial.take_if(is_ours).is_some() {
            state.broke_off = true;
        }
    }
}

/// Attempts until one succeeds, or the server counts as away: then it is probed for all lanes, and
/// who comes when it is back begins anew.
async fn try_until_found(link: Weak<Link>, tell: watch::Sender<Outcome>, hurry: Arc<Notify>) {
    // Made here, and not by who spawns this: a runtime that is ending drops it in that very call, in
    // which the state is locked.
    let search = Search { link, tell, hurry };
    let Search { link, tell, hurry } = &search;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Some(link) = link.upgrade() else {
            return;
        };
        tell.send_replace(None);
        let outcome = link.attempt().await;
        if let Err(error) = &outcome {
            link.health.dead(error);
        }
        if outcome.is_ok() || link.is_closed() || link.health.is_away() {
            let failed = outcome.is_err();
            {
                let mut state = link.state();
                state.trial = None;
                if failed {
                    state.live = None;
                }
            }
            // Without the lock: it wakes callers.
            tell.send_replace(Some(outcome));
            if failed {
                link.lose_track();
            }
            return;
        }
        let is_late = |error: &Error| error.kind() == ErrorKind::Timeout;
        if let Some(trial) = &mut link.state().trial {
            trial.was_late |= outcome.as_ref().is_err_and(is_late);
        }
        tell.send_replace(Some(outcome));
        drop(link);
        let pausing = hurry.notified();
        // Over, or ended by one who knows that the server is back.
        let _ = timeout(pause.mul_f64(0.5 + fastrand::f64()), pausing).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
