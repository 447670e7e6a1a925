//! Loads under a lease: who may take their answer, and what a load survives.

use crate::faults::Faults;
use crate::process::Op::{Invalidate, Read};
use crate::redis::Stored;
use crate::rules::{
    BUILT, Displace, Fill, FlightBegins, Followers, LostLease, NAIVE, NAIVE_BY_STAMP, Rules,
    Waiters,
};
use crate::scenarios::{fails, holds, listed};
use crate::world::{L1, S1, S2, World};

const NONE: Faults = Faults::NONE;

fn two_processes(rules: Rules) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Read, Read]), (0, &[Read]), (1, &[Invalidate, Read])];
    World::new(rules, Stored::Nothing, &callers)
}

fn fewer_reads(rules: Rules, faults: Faults) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Read]), (0, &[Read]), (1, &[Invalidate, Read])];
    World {
        faults,
        ..World::new(rules, Stored::Nothing, &callers)
    }
}

fn value_stored(rules: Rules) -> World {
    World {
        stored: Stored::fresh(1),
        ..fewer_reads(rules, NONE)
    }
}

fn four_readers(rules: Rules, stored: Stored) -> World {
    let callers: [(_, &[_]); 4] = [(0, &[Read, Read]), (0, &[Read]), (1, &[Read]), (2, &[Read])];
    World::new(rules, stored, &callers)
}

/// The process that invalidates reads too.
fn one_process(rules: Rules, faults: Faults) -> World {
    let callers: [(_, &[_]); 2] = [(0, &[Read]), (0, &[Invalidate, Read])];
    World {
        faults,
        ..World::new(rules, Stored::fresh(1), &callers)
    }
}

fn one_reader(rules: Rules, faults: Faults) -> World {
    let callers: [(_, &[_]); 2] = [(0, &[Read]), (1, &[Invalidate, Read])];
    World {
        faults,
        ..World::new(rules, Stored::Nothing, &callers)
    }
}

fn lossy(lost_lease: LostLease, replies_lost: u8) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Read]), (1, &[Invalidate, Read]), (1, &[Read])];
    let rules = Rules {
        lost_lease,
        ..BUILT
    };
    World {
        faults: Faults {
            replies_lost,
            ..NONE
        },
        ..World::new(rules, Stored::Nothing, &callers)
    }
}

const UNDECODABLE: Stored = Stored::Undecodable;

const VANISHES_AND_FAILS: Faults = Faults {
    key_vanishes: 1,
    bodies_fail: 1,
    ..NONE
};
const VANISHES_AND_LOST: Faults = Faults {
    key_vanishes: 1,
    replies_lost: 1,
    ..NONE
};
const DIES_AND_GIVES_UP: Faults = Faults {
    processes_die: 1,
    waits_end: 1,
    ..NONE
};
const TWO_LOST: Faults = Faults {
    replies_lost: 2,
    ..NONE
};

const COVERS_READ: Rules = Rules {
    flight_begins: FlightBegins::WithTheRead,
    ..BUILT
};
const NAIVE_COVERS_READ: Rules = Rules {
    flight_begins: FlightBegins::WithTheRead,
    ..NAIVE
};
const WAITS_FOR_A_VALUE: Rules = Rules {
    waiters: Waiters::ValueThere,
    ..BUILT
};

listed! {
    #[test]
    fn no_reader_is_handed_what_was_loaded_before_an_invalidation() {
        holds(two_processes(BUILT));
    }

    #[test]
    fn sharing_a_load_with_all_who_joined_is_found_out() {
        fails(S1, two_processes(NAIVE));
    }

    #[test]
    fn sharing_a_load_with_all_once_the_fill_is_confirmed_is_found_out() {
        fails(S1, two_processes(Rules { followers: Followers::IfFilled, ..NAIVE }));
    }

    #[test]
    fn followers_by_stamp_need_no_other_rule() {
        holds(two_processes(NAIVE_BY_STAMP));
    }

    #[test]
    fn followers_by_stamp_may_share_the_read_too() {
        let flight_begins = FlightBegins::WithTheRead;
        holds(two_processes(Rules { flight_begins, ..NAIVE_BY_STAMP }));
    }

    fn four_readers_cause_one_load_also_if_it_fails() {
        let faults = Faults { bodies_fail: 1, ..NONE };
        holds(World { faults, ..four_readers(BUILT, Stored::Nothing) });
    }

    fn four_readers_of_a_stale_value_cause_one_load() {
        let faults = Faults { ages: 1, ..NONE };
        let stored = Stored::STALE;
        holds(World { faults, stale: true, ..four_readers(BUILT, stored) });
    }

    #[test]
    fn a_lease_that_everybody_gets_is_found_out() {
        let rules = Rules { lease_excludes: false, ..BUILT };
        fails(S2, four_readers(rules, Stored::Nothing));
    }

    fn two_processes_invalidate() {
        let callers: [(_, &[_]); 3] =
            [(0, &[Read, Read]), (0, &[Invalidate, Read]), (1, &[Invalidate, Read])];
        holds(World::new(BUILT, Stored::Nothing, &callers));
    }

    fn a_lease_or_a_value_vanishes_and_a_body_fails() {
        holds(fewer_reads(BUILT, VANISHES_AND_FAILS));
    }

    fn a_reply_is_lost_and_the_key_vanishes() {
        holds(fewer_reads(BUILT, VANISHES_AND_LOST));
    }

    fn a_process_dies_and_a_follower_gives_up() {
        holds(fewer_reads(BUILT, DIES_AND_GIVES_UP));
    }

    fn two_replies_are_lost() {
        holds(fewer_reads(BUILT, TWO_LOST));
    }

    #[test]
    fn waiting_for_a_value_when_the_holder_failed_is_found_out() {
        fails(L1, fewer_reads(WAITS_FOR_A_VALUE, VANISHES_AND_FAILS));
    }

    #[test]
    fn waiting_for_a_value_when_the_fill_was_lost_is_found_out() {
        fails(L1, fewer_reads(WAITS_FOR_A_VALUE, VANISHES_AND_LOST));
    }

    #[test]
    fn waiting_for_a_value_when_the_holder_died_is_found_out() {
        fails(L1, fewer_reads(WAITS_FOR_A_VALUE, DIES_AND_GIVES_UP));
    }

    #[test]
    fn waiting_for_a_value_when_two_replies_were_lost_is_found_out() {
        fails(L1, fewer_reads(WAITS_FOR_A_VALUE, TWO_LOST));
    }

    #[test]
    fn a_read_is_shared_with_those_who_joined_before_it_was_sent() {
        holds(value_stored(COVERS_READ));
    }

    #[test]
    fn sharing_a_read_that_was_already_sent_is_found_out() {
        fails(S1, value_stored(Rules { followers: Followers::All, ..COVERS_READ }));
    }

    #[test]
    fn a_process_reads_what_it_invalidated_itself() {
        let faults = Faults { key_vanishes: 1, replies_lost: 1, bodies_fail: 1, ..NONE };
        holds(one_process(BUILT, faults));
    }

    #[test]
    fn detaching_the_flight_only_before_the_unlink_is_found_out() {
        fails(S1, one_process(NAIVE_COVERS_READ, NONE));
    }

    #[test]
    fn detaching_the_flight_again_after_the_unlink_would_do() {
        holds(one_process(Rules { detach_again: true, ..NAIVE_COVERS_READ }, NONE));
    }

    #[test]
    fn followers_by_stamp_make_detaching_again_a_matter_of_speed() {
        let rules = Rules { detach_again: false, ..COVERS_READ };
        holds(one_process(rules, Faults { replies_lost: 1, ..NONE }));
    }

    fn a_lost_lease_may_be_adopted_by_the_load_that_lost_it() {
        holds(lossy(LostLease::FreshToken, 2));
    }

    fn a_load_that_lost_its_lease_may_run_alone() {
        holds(lossy(LostLease::RunAlone, 2));
    }

    #[test]
    fn filling_after_a_lost_lease_is_found_out() {
        fails(S1, lossy(LostLease::FillAnyway, 1));
    }

    #[test]
    fn sending_a_lost_token_again_is_found_out() {
        fails(S1, lossy(LostLease::SameTokenAgain, 1));
    }

    #[test]
    fn a_fill_by_watch_sets_only_what_is_present() {
        let rules = Rules { fill: Fill::WatchAndSetIfPresent, ..BUILT };
        holds(one_reader(rules, VANISHES_AND_LOST));
    }

    #[test]
    fn a_fill_by_watch_that_overlooks_an_expiry_is_found_out() {
        let rules = Rules { fill: Fill::WatchAndSet, ..BUILT };
        fails(S1, one_reader(rules, VANISHES_AND_LOST));
    }

    #[test]
    fn undecodable_bytes_are_displaced_by_one_load() {
        holds(World { stored: UNDECODABLE, ..fewer_reads(BUILT, NONE) });
    }

    fn four_readers_of_undecodable_bytes_cause_one_load() {
        holds(four_readers(BUILT, UNDECODABLE));
    }

    fn undecodable_bytes_are_displaced_whatever_goes_wrong() {
        holds(World { stored: UNDECODABLE, ..fewer_reads(BUILT, VANISHES_AND_LOST) });
    }

    #[test]
    fn displacing_whatever_is_there_by_now_is_found_out() {
        fails(S2, four_readers(Rules { displace: Displace::Anything, ..BUILT }, UNDECODABLE));
    }

    /// No protocol on one asynchronous replica can promise more; the time to live is the bound.
    #[test]
    fn a_failover_that_loses_an_invalidation_is_found_out() {
        let faults = Faults { failovers: 1, ..NONE };
        fails(S1, World { stored: Stored::fresh(1), ..one_reader(BUILT, faults) });
    }
}
