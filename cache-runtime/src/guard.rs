//! Guards against panics of user code in the read and the store path: `Serialize`, `Deserialize`,
//! `PartialEq`, `Debug`, `Clone` and destructors. A panic costs the cache a value, and no caller its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs user code and returns its result, or `None` if it panicked.
#[inline]
pub(crate) fn of_user<T>(run: impl FnOnce() -> T) -> Option<T> {
    let (mut run, mut result) = (Some(run), None);
    completes(&mut || result = run.take().map(|run| run()));
    result
}

/// Runs user code and returns whether it completed. It has no type parameter, so that the code that
/// catches a panic is compiled once.
pub(crate) fn completes(run: &mut dyn FnMut()) -> bool {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(payload) => {
            // The payload is the user's, too: its destructor may panic in turn.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_may_panic_when_it_is_dropped() {
        struct Payload;
        impl Drop for Payload {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(of_user(|| 7), Some(7));
        assert_eq!(of_user(|| -> u8 { std::panic::panic_any(Payload) }), None);
    }
}
