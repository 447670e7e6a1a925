//! Threads that wait together.
//!
//! To wake a thread takes the kernel as long as all else that is done for a read of many. So the answers
//! are laid down for all whose keys traveled together, and one call wakes all of them. Only the first is
//! told something of its own, that it leads; and it alone watches the clock.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::batch::MOST_KEYS;
use super::super::resp::pack_name;
use crate::error::Error;
use crate::key::OnServer;

/// One that threads may join yet.
pub(super) struct Open {
    pub(super) batch: Arc<Batch>,
    /// As they go over the wire.
    pub(super) names: Vec<u8>,
    pub(super) count: usize,
}

/// What its threads are told.
#[derive(Default)]
pub(super) struct Batch {
    word: Mutex<Word>,
    to_first: Condvar,
    to_others: Condvar,
}

#[derive(Default)]
enum Word {
    #[default]
    Wait,
    Lead,
    /// What stands under the key of each.
    Answers(Vec<Option<Vec<u8>>>),
    Failed(Error),
    /// Ask by way of the lanes.
    Elsewhere,
}

impl Open {
    /// The batch of a thread that is the first there.
    pub(super) fn of(name: OnServer<'_>) -> Self {
        let mut open = Self {
            batch: Arc::default(),
            names: Vec::new(),
            count: 0,
        };
        open.join(name);
        open
    }

    pub(super) fn is_full(&self) -> bool {
        self.count == MOST_KEYS
    }

    /// At which place of the batch the key is.
    pub(super) fn join(&mut self, name: OnServer<'_>) -> usize {
        pack_name(name, &mut self.names);
        let place = self.count;
        self.count += 1;
        place
    }
}

impl Batch {
    /// For the first: whether it is told to lead by then.
    pub(super) fn leads_by(&self, end: Instant) -> bool {
        let mut word = self.word();
        loop {
            if let Word::Lead = *word {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.to_first.wait_timeout(word, left);
            (word, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn leads(&self) -> bool {
        matches!(*self.word(), Word::Lead)
    }

    /// For all others: what stands under the key at this place. None if it is to be asked by way of the
    /// lanes.
    pub(super) fn wait(&self, place: usize) -> Option<Result<Option<Vec<u8>>, Error>> {
        let mut word = self.word();
        loop {
            match &mut *word {
                Word::Wait | Word::Lead => {}
                Word::Answers(answers) => return Some(Ok(answers.get_mut(place)?.take())),
                Word::Failed(error) => return Some(Err(error.clone())),
                Word::Elsewhere => return None,
            }
            let waited = self.to_others.wait(word);
            word = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first is to lead, as soon as it is [woken](Self::wake_first).
    pub(super) fn let_lead(&self) {
        *self.word() = Word::Lead;
    }

    pub(super) fn wake_first(&self) {
        self.to_first.notify_one();
    }

    fn tell(&self, told: Word) {
        *self.word() = told;
        self.to_others.notify_all();
    }

    fn word(&self) -> MutexGuard<'_, Word> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All but the first of a batch that nobody joins any more. Dropped without an answer, they ask elsewhere.
pub(super) struct Others(Option<Arc<Batch>>);

impl Others {
    pub(super) fn of(batch: Arc<Batch>) -> Self {
        Self(Some(batch))
    }

    /// What stands under the key of each, also of the first.
    pub(super) fn answer(mut self, answers: Result<Vec<Option<Vec<u8>>>, Error>) {
        if let Some(batch) = self.0.take() {
            batch.tell(match answers {
                Ok(answers) => Word::Answers(answers),
                Err(error) => Word::Failed(error),
            });
        }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if let Some(batch) = &self.0 {
            batch.tell(Word::Elsewhere);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A batch of three, and what the two who wait in it are told.
    fn told(tell: impl FnOnce(Others)) -> [Option<Result<Option<Vec<u8>>, Error>>; 2] {
        let mut open = Open::of(OnServer::whole("a"));
        let places = [
            open.join(OnServer::whole("b")),
            open.join(OnServer::whole("c")),
        ];
        let batch = open.batch;
        thread::scope(|scope| {
            let wait = |place| {
                let batch = &batch;
                scope.spawn(move || batch.wait(place))
            };
            let waiting = places.map(wait);
            tell(Others::of(batch.clone()));
            waiting.map(|waiting| waiting.join().unwrap())
        })
    }

    #[test]
    fn each_is_told_what_stands_under_its_own_key() {
        let answers = vec![Some(b"1".to_vec()), Some(b"2".to_vec()), None];
        let [second, third] = told(|others| others.answer(Ok(answers)));
        assert_eq!(second.unwrap().unwrap(), Some(b"2".to_vec()));
        assert_eq!(third.unwrap().unwrap(), None);
    }

    #[test]
    fn nobody_waits_for_ever_for_who_leads_and_leaves() {
        let [second, third] = told(drop);
        assert!(second.is_none() && third.is_none());
    }

    #[test]
    fn the_first_leads_once_it_is_told_and_not_before() {
        let batch = Batch::default();
        assert!(!batch.leads_by(Instant::now()));
        batch.let_lead();
        assert!(batch.leads() && batch.leads_by(Instant::now()));

        let batch = &Batch::default();
        thread::scope(|scope| {
            let in_an_hour = Instant::now() + Duration::from_secs(3600);
            let first = scope.spawn(move || batch.leads_by(in_an_hour));
            batch.let_lead();
            batch.wake_first();
            assert!(first.join().unwrap());
        });
    }
}
