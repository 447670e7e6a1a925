//! A store whose verbs fail, dawdle or never end, for tests of what is above it.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::exec;

/// What becomes of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Ok,
    Err,
    Slow,
    /// Until its deadline, which every verb of a real store has.
    Never,
}

pub(crate) const GATES: [Gate; 4] = [Gate::Ok, Gate::Err, Gate::Slow, Gate::Never];

#[derive(Clone, Debug, Default)]
pub(crate) struct Gates(pub(crate) HashMap<&'static str, Gate>);

impl Gates {
    pub(crate) async fn pass(&self, verb: &str) -> Result<(), Error> {
        const SLOW: Duration = Duration::from_millis(2);
        const DEADLINE: Duration = Duration::from_millis(15);
        match self.0.get(verb).copied().unwrap_or(Gate::Ok) {
            Gate::Ok => Ok(()),
            Gate::Err => Err(Error::new(ErrorKind::Unavailable, "a gate is closed")),
            Gate::Slow => {
                exec::sleep(SLOW).await;
                Ok(())
            }
            Gate::Never => {
                exec::sleep(DEADLINE).await;
                Err(Error::new(ErrorKind::Timeout, "a gate never opened"))
            }
        }
    }
}
