//! The user's own code in the read and the store path: `Serialize`, `Deserialize`, `PartialEq`, `Debug`,
//! `Clone` and destructors of values. Its panic costs the cache a value and never a caller its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the user's code and returns its result, or `None` if it panicked.
#[inline]
pub(crate) fn of_user<T>(run: impl FnOnce() -> T) -> Option<T> {
    let (mut run, mut result) = (Some(run), None);
    completes(&mut || result = run.take().map(|run| run()));
    result
}

/// Runs the user's code and returns whether it came to its end. Without a type parameter, because
/// what catches a panic would be compiled once for each type.
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
