//! Loads under a lease: who may take their answer, and what a load survives.

use crate::faults::{AGES, Faults, NONE, ONE_LOST, VANISHES};
use crate::process::Op::{Invalidate, Read};
use crate::redis::Stored;
use crate::rules::{
    BUILT, Displace, Fill, FlightBegins, Followers, LostLease, NAIVE, NAIVE_BY_STAMP, Rules,
    Waiters,
};
use crate::scenarios::{fails, holds, listed};
use crate::world::{L1, S1, S2, World};

fn two_processes(rules: Rules) -> World {
    World::new(rules, Stored::Nothing)
        .caller(0, &[Read, Read])
        .caller(0, &[Read])
        .caller(1, &[Invalidate, Read])
}

fn fewer_reads(rules: Rules, stored: Stored) -> World {
    World::new(rules, stored)
        .caller(0, &[Read])
        .caller(0, &[Read])
        .caller(1, &[Invalidate, Read])
}

fn four_readers(rules: Rules, stored: Stored) -> World {
    World::new(rules, stored)
        .caller(0, &[Read, Read])
        .caller(0, &[Read])
        .caller(1, &[Read])
        .caller(2, &[Read])
}

/// The process that invalidates reads too.
fn one_process(rules: Rules) -> World {
    World::new(rules, Stored::fresh(1))
        .caller(0, &[Read])
        .caller(0, &[Invalidate, Read])
}

fn one_reader(rules: Rules, stored: Stored) -> World {
    World::new(rules, stored)
        .caller(0, &[Read])
        .caller(1, &[Invalidate, Read])
}

fn lost_lease(lost_lease: LostLease) -> World {
    let rules = Rules {
        lost_lease,
        ..BUILT
    };
    World::new(rules, Stored::Nothing)
        .caller(0, &[Read])
        .caller(1, &[Invalidate, Read])
        .caller(1, &[Read])
}

const VANISHES_AND_FAILS: Faults = Faults {
    bodies_fail: 1,
    ..VANISHES
};

const VANISHES_AND_LOST: Faults = Faults {
    replies_lost: 1,
    ..VANISHES
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

const FLIGHT_COVERS_READ: Rules = Rules {
    flight_begins: FlightBegins::WithTheRead,
    ..BUILT
};

const NAIVE_FLIGHT_COVERS_READ: Rules = Rules {
    flight_begins: FlightBegins::WithTheRead,
    ..NAIVE
};

const WAITS_FOR_A_VALUE: Rules = Rules {
    waiters: Waiters::ValueThere,
    ..BUILT
};

fn fill(fill: Fill) -> Rules {
    Rules { fill, ..BUILT }
}

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
        let rules = Rules {
            followers: Followers::IfFilled,
            ..NAIVE
        };
        fails(S1, two_processes(rules));
    }

    #[test]
    fn followers_by_stamp_need_no_other_rule() {
        holds(two_processes(NAIVE_BY_STAMP));
    }

    #[test]
    fn followers_by_stamp_may_share_the_read_too() {
        let rules = Rules {
            flight_begins: FlightBegins::WithTheRead,
            ..NAIVE_BY_STAMP
        };
        holds(two_processes(rules));
    }

    fn four_readers_cause_one_load_also_if_it_fails() {
        let faults = Faults {
            bodies_fail: 1,
            ..NONE
        };
        holds(four_readers(BUILT, Stored::Nothing).with(faults));
    }

    fn four_readers_of_a_stale_value_cause_one_load() {
        holds(four_readers(BUILT, Stored::STALE).stale().with(AGES));
    }

    #[test]
    fn a_lease_that_everybody_gets_is_found_out() {
        let rules = Rules {
            lease_excludes: false,
            ..BUILT
        };
        fails(S2, four_readers(rules, Stored::Nothing));
    }

    fn two_processes_invalidate() {
        let world = World::new(BUILT, Stored::Nothing)
            .caller(0, &[Read, Read])
            .caller(0, &[Invalidate, Read])
            .caller(1, &[Invalidate, Read]);
        holds(world);
    }

    fn a_lease_or_a_value_vanishes_and_a_body_fails() {
        holds(fewer_reads(BUILT, Stored::Nothing).with(VANISHES_AND_FAILS));
    }

    fn a_reply_is_lost_and_the_key_vanishes() {
        holds(fewer_reads(BUILT, Stored::Nothing).with(VANISHES_AND_LOST));
    }

    #[test]
    fn a_process_dies_and_a_follower_gives_up() {
        holds(fewer_reads(BUILT, Stored::Nothing).with(DIES_AND_GIVES_UP));
    }

    fn two_replies_are_lost() {
        holds(fewer_reads(BUILT, Stored::Nothing).with(TWO_LOST));
    }

    #[test]
    fn waiting_for_a_value_when_the_holder_failed_is_found_out() {
        let world = fewer_reads(WAITS_FOR_A_VALUE, Stored::Nothing);
        fails(L1, world.with(VANISHES_AND_FAILS));
    }

    #[test]
    fn waiting_for_a_value_when_the_fill_was_lost_is_found_out() {
        let world = fewer_reads(WAITS_FOR_A_VALUE, Stored::Nothing);
        fails(L1, world.with(VANISHES_AND_LOST));
    }

    #[test]
    fn waiting_for_a_value_when_the_holder_died_is_found_out() {
        let world = fewer_reads(WAITS_FOR_A_VALUE, Stored::Nothing);
        fails(L1, world.with(DIES_AND_GIVES_UP));
    }

    #[test]
    fn waiting_for_a_value_when_two_replies_were_lost_is_found_out() {
        let world = fewer_reads(WAITS_FOR_A_VALUE, Stored::Nothing);
        fails(L1, world.with(TWO_LOST));
    }

    #[test]
    fn a_read_is_shared_with_those_who_joined_before_it_was_sent() {
        holds(fewer_reads(FLIGHT_COVERS_READ, Stored::fresh(1)));
    }

    #[test]
    fn sharing_a_read_that_was_already_sent_is_found_out() {
        let rules = Rules {
            followers: Followers::All,
            ..FLIGHT_COVERS_READ
        };
        fails(S1, fewer_reads(rules, Stored::fresh(1)));
    }

    #[test]
    fn a_process_reads_what_it_invalidated_itself() {
        let faults = Faults {
            bodies_fail: 1,
            ..VANISHES_AND_LOST
        };
        holds(one_process(BUILT).with(faults));
    }

    #[test]
    fn detaching_the_flight_only_before_the_unlink_is_found_out() {
        fails(S1, one_process(NAIVE_FLIGHT_COVERS_READ));
    }

    #[test]
    fn detaching_the_flight_again_after_the_unlink_would_do() {
        let rules = Rules {
            detach_again: true,
            ..NAIVE_FLIGHT_COVERS_READ
        };
        holds(one_process(rules));
    }

    #[test]
    fn followers_by_stamp_make_detaching_again_a_matter_of_speed() {
        let rules = Rules {
            detach_again: false,
            ..FLIGHT_COVERS_READ
        };
        holds(one_process(rules).with(ONE_LOST));
    }

    fn a_lost_lease_may_be_adopted_by_the_load_that_lost_it() {
        holds(lost_lease(LostLease::FreshToken).with(TWO_LOST));
    }

    fn a_load_that_lost_its_lease_may_run_alone() {
        holds(lost_lease(LostLease::RunAlone).with(TWO_LOST));
    }

    fn a_follower_adopts_the_lease_that_its_failing_leader_lost() {
        let faults = Faults {
            bodies_fail: 1,
            ..ONE_LOST
        };
        holds(fewer_reads(BUILT, Stored::Nothing).with(faults));
    }

    #[test]
    fn filling_after_a_lost_lease_is_found_out() {
        fails(S1, lost_lease(LostLease::FillAnyway).with(ONE_LOST));
    }

    #[test]
    fn sending_a_lost_token_again_is_found_out() {
        fails(S1, lost_lease(LostLease::SameTokenAgain).with(ONE_LOST));
    }

    #[test]
    fn a_fill_by_watch_sets_only_what_is_present() {
        let world = one_reader(fill(Fill::WatchAndSetIfPresent), Stored::Nothing);
        holds(world.with(VANISHES_AND_LOST));
    }

    #[test]
    fn a_fill_by_watch_that_overlooks_an_expiry_is_found_out() {
        let world = one_reader(fill(Fill::WatchAndSet), Stored::Nothing);
        fails(S1, world.with(VANISHES_AND_LOST));
    }

    #[test]
    fn undecodable_bytes_are_displaced_by_one_load() {
        holds(fewer_reads(BUILT, Stored::Undecodable));
    }

    fn four_readers_of_undecodable_bytes_cause_one_load() {
        holds(four_readers(BUILT, Stored::Undecodable));
    }

    fn undecodable_bytes_are_displaced_whatever_goes_wrong() {
        holds(fewer_reads(BUILT, Stored::Undecodable).with(VANISHES_AND_LOST));
    }

    #[test]
    fn displacing_whatever_is_there_by_now_is_found_out() {
        let rules = Rules {
            displace: Displace::Anything,
            ..BUILT
        };
        fails(S2, four_readers(rules, Stored::Undecodable));
    }

    /// No protocol on one asynchronous replica can promise more; the time to live is the bound.
    #[test]
    fn a_failover_that_loses_an_invalidation_is_found_out() {
        let faults = Faults {
            failovers: 1,
            ..NONE
        };
        fails(S1, one_reader(BUILT, Stored::fresh(1)).with(faults));
    }
}
