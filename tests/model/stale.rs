//! Stale values, refreshed behind those who were handed one.

use crate::faults::{AGES, BOTH_VANISH, EVERY_KIND, Faults, NONE, ONE_DIES, ONE_LOST, VANISHES};
use crate::process::Op::{self, DeleteByHand, Invalidate, Read};
use crate::redis::Stored;
use crate::rules::{BUILT, NAIVE_BY_STAMP, RefreshKey, Rules};
use crate::scenarios::{fails, holds, listed};
use crate::world::{S1, World};

/// A stale value, two readers, and one who changes the source.
fn world(rules: Rules, change: Op, faults: Faults) -> World {
    World::new(rules, Stored::STALE)
        .stale()
        .caller(0, &[Read])
        .caller(1, &[change, Read])
        .caller(2, &[Read])
        .with(faults)
}

fn one_reader(rules: Rules, change: Op, faults: Faults) -> World {
    World::new(rules, Stored::STALE)
        .stale()
        .caller(0, &[Read])
        .caller(1, &[change, Read])
        .with(faults)
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

const LEASE_UNLINKS_TOO_EARLY: Rules = Rules {
    lease: RefreshKey::UnlinkedFirst,
    ..BUILT
};

listed! {
    #[test]
    fn a_refresh_stores_nothing_that_an_invalidation_outdated() {
        holds(world(BUILT, Invalidate, AGES));
    }

    #[test]
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
    fn a_stale_value_survives_every_kind_of_fault() {
        holds(one_reader(BUILT, Invalidate, EVERY_KIND));
    }

    #[test]
    fn unlinking_both_keys_together_would_survive_every_kind_of_fault() {
        holds(one_reader(NAIVE_BY_STAMP, Invalidate, EVERY_KIND));
    }

    fn a_stale_value_survives_a_lost_reply() {
        holds(world(BUILT, Invalidate, ONE_LOST));
    }

    #[test]
    fn unlinking_both_keys_together_would_survive_a_lost_reply() {
        holds(world(NAIVE_BY_STAMP, Invalidate, ONE_LOST));
    }

    #[test]
    fn a_stale_value_survives_a_death() {
        holds(world(BUILT, Invalidate, ONE_DIES));
    }

    #[test]
    fn unlinking_both_keys_together_would_survive_a_death() {
        holds(world(NAIVE_BY_STAMP, Invalidate, ONE_DIES));
    }

    #[test]
    fn a_refresh_stores_nothing_that_a_deletion_by_hand_outdated() {
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

    /// Between the two commands of the lease, a reader who was handed the stale value claims a
    /// refresh, which reads the source; then comes the deletion by hand; and so the refresh is
    /// still in force when the lease's own fill has stored what is newer.
    #[test]
    fn unlinking_the_refresh_key_ahead_of_the_lease_is_found_out() {
        fails(S1, world(LEASE_UNLINKS_TOO_EARLY, DeleteByHand, VANISHES));
    }

    #[test]
    fn a_deletion_by_hand_survives_every_kind_of_fault() {
        holds(one_reader(BUILT, DeleteByHand, EVERY_KIND));
    }

    #[test]
    fn a_deletion_by_hand_of_undecodable_bytes_ends_a_refresh() {
        let world = World::new(BUILT, Stored::Undecodable)
            .stale()
            .caller(0, &[Read])
            .caller(1, &[DeleteByHand, Read]);
        holds(world.with(EVERY_KIND));
    }

    fn a_deletion_by_hand_survives_that_both_keys_vanish() {
        holds(world(BUILT, DeleteByHand, BOTH_VANISH));
    }

    fn a_deletion_by_hand_survives_a_lost_reply() {
        holds(world(BUILT, DeleteByHand, ONE_LOST));
    }

    fn a_deletion_by_hand_and_an_invalidation_meet() {
        let faults = Faults {
            ages: 1,
            ..BOTH_VANISH
        };
        let world = World::new(BUILT, Stored::STALE)
            .stale()
            .caller(0, &[Read])
            .caller(1, &[DeleteByHand, Read])
            .caller(2, &[Invalidate, Read]);
        holds(world.with(faults));
    }
}
