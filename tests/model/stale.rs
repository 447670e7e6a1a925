//! Stale values, refreshed behind those who were handed one.

use crate::faults::Faults;
use crate::process::Op::{self, DeleteByHand, Invalidate, Read};
use crate::redis::Stored;
use crate::rules::{BUILT, NAIVE_BY_STAMP, RefreshKey, Rules};
use crate::scenarios::{fails, holds, listed};
use crate::world::{S1, World};

const NONE: Faults = Faults::NONE;
const AGES: Faults = Faults { ages: 1, ..NONE };
const ONE_LOST: Faults = Faults {
    replies_lost: 1,
    ..NONE
};
const DIES: Faults = Faults {
    processes_die: 1,
    ..NONE
};
const VANISHES: Faults = Faults {
    key_vanishes: 1,
    ..NONE
};
const BOTH_VANISH: Faults = Faults {
    refresh_key_vanishes: 1,
    ..VANISHES
};
const ALL_KINDS: Faults = Faults {
    ages: 1,
    replies_lost: 1,
    bodies_fail: 1,
    ..BOTH_VANISH
};

/// A stale value, two readers, and one who changes the source.
fn world(rules: Rules, change: Op, faults: Faults) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Read]), (1, &[change, Read]), (2, &[Read])];
    World {
        faults,
        stale: true,
        ..World::new(rules, Stored::STALE, &callers)
    }
}

fn one_reader(rules: Rules, change: Op) -> World {
    let callers: [(_, &[_]); 2] = [(0, &[Read]), (1, &[change, Read])];
    World {
        faults: ALL_KINDS,
        stale: true,
        ..World::new(rules, Stored::STALE, &callers)
    }
}

fn naive(invalidate: RefreshKey) -> Rules {
    Rules {
        invalidate,
        ..NAIVE_BY_STAMP
    }
}

const SPARES_LEASE: Rules = Rules {
    refresh_spares_lease: true,
    ..NAIVE_BY_STAMP
};
const LEASE_UNLINKS: Rules = Rules {
    lease: RefreshKey::UnlinkedLast,
    ..NAIVE_BY_STAMP
};
const BOTH: Rules = Rules {
    refresh_spares_lease: true,
    ..LEASE_UNLINKS
};
const UNLINKS_TOO_EARLY: Rules = Rules {
    lease: RefreshKey::UnlinkedFirst,
    ..BUILT
};

listed! {
    fn a_refresh_stores_nothing_that_an_invalidation_outdated() {
        holds(world(BUILT, Invalidate, AGES));
    }

    fn unlinking_both_keys_together_would_do_on_one_server() {
        holds(world(NAIVE_BY_STAMP, Invalidate, AGES));
    }

    #[test]
    fn unlinking_the_refresh_key_first_would_do_as_the_only_rule() {
        holds(world(naive(RefreshKey::UnlinkedFirst), Invalidate, AGES));
    }

    #[test]
    fn unlinking_the_refresh_key_last_is_found_out() {
        fails(S1, world(naive(RefreshKey::UnlinkedLast), Invalidate, NONE));
    }

    #[test]
    fn stale_values_survive_every_kind_of_fault() {
        holds(one_reader(BUILT, Invalidate));
    }

    fn unlinking_both_keys_together_would_survive_every_kind_of_fault() {
        holds(one_reader(NAIVE_BY_STAMP, Invalidate));
    }

    fn a_reply_is_lost_around_a_stale_value() {
        holds(world(BUILT, Invalidate, ONE_LOST));
    }

    fn unlinking_both_keys_together_would_survive_a_lost_reply() {
        holds(world(NAIVE_BY_STAMP, Invalidate, ONE_LOST));
    }

    fn a_process_dies_around_a_stale_value() {
        holds(world(BUILT, Invalidate, DIES));
    }

    fn unlinking_both_keys_together_would_survive_a_death() {
        holds(world(NAIVE_BY_STAMP, Invalidate, DIES));
    }

    #[test]
    fn a_refresh_outlives_a_deletion_by_hand_without_harm() {
        holds(world(BUILT, DeleteByHand, NONE));
    }

    #[test]
    fn a_refresh_that_outlives_a_deletion_by_hand_is_found_out() {
        fails(S1, world(NAIVE_BY_STAMP, DeleteByHand, NONE));
    }

    #[test]
    fn sparing_the_lease_alone_is_found_out() {
        fails(S1, world(SPARES_LEASE, DeleteByHand, NONE));
    }

    #[test]
    fn unlinking_the_refresh_key_with_the_lease_alone_is_found_out() {
        fails(S1, world(LEASE_UNLINKS, DeleteByHand, NONE));
    }

    #[test]
    fn sparing_the_lease_and_unlinking_the_refresh_key_with_it_will_do() {
        holds(world(BOTH, DeleteByHand, AGES));
    }

    /// Between the two commands a reader whom the stale value was handed earlier claims a refresh,
    /// which reads the source before the deletion by hand and fills after it.
    #[test]
    fn unlinking_the_refresh_key_ahead_of_the_lease_is_found_out() {
        fails(S1, world(UNLINKS_TOO_EARLY, DeleteByHand, VANISHES));
    }

    #[test]
    fn a_deletion_by_hand_survives_every_kind_of_fault() {
        holds(one_reader(BUILT, DeleteByHand));
    }

    fn a_deletion_by_hand_survives_that_both_keys_vanish() {
        holds(world(BUILT, DeleteByHand, BOTH_VANISH));
    }

    fn a_deletion_by_hand_survives_a_lost_reply() {
        holds(world(BUILT, DeleteByHand, ONE_LOST));
    }
}
