//! Two processes with copies (option `near`) of values that both of them and other programs change,
//! while the server loses everything, cuts connections and forgets what it was to tell of.

use crate::scenarios::coherence::{WRITES, run, work};
use crate::support::is_own_process;

const TEST: &str = "coherence::no_copy_is_older_than_what_the_server_told_of_a_round_trip_ago";

#[test]
fn no_copy_is_older_than_what_the_server_told_of_a_round_trip_ago() {
    if is_own_process(TEST) {
        return work();
    }
    let found = run(TEST);
    assert_eq!((found.answers.errors, found.stale_own), (0, 0), "{found:?}");
    // On a slow machine the time is over first.
    assert!(found.writes > WRITES / 4, "{found:?}");
    assert!(
        found.near > WRITES / 8,
        "there were hardly any copies: {found:?}"
    );
    assert!(found.befallen > 20, "{found:?}");
}
