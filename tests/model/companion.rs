//! What a function's companion stores by itself: `put`, and `refresh`.

use crate::faults::{AGES, BOTH_VANISH, EVERY_KIND, Faults, NONE, ONE_LOST, VANISHES};
use crate::process::Op::{self, DeleteByHand, Invalidate, Put, Read, Refresh};
use crate::redis::Stored;
use crate::rules::{self, BUILT, RefreshKey, RefreshKeyOf, Rules};
use crate::scenarios::{fails, holds, listed};
use crate::world::{S1, World};

fn put_over_stale(rules: Rules, faults: Faults) -> World {
    World::new(rules, Stored::STALE)
        .stale()
        .caller(0, &[Read])
        .caller(1, &[Put, Read])
        .caller(2, &[Read])
        .with(faults)
}

fn put_then_invalidate(rules: Rules) -> World {
    World::new(rules, Stored::Nothing).caller(0, &[Put, Invalidate, Read])
}

fn put_against_invalidate(rules: Rules) -> World {
    World::new(rules, Stored::Nothing)
        .caller(0, &[Put])
        .caller(1, &[Invalidate, Read])
        .caller(1, &[Read])
}

fn refresh(rules: Rules, stored: Stored, faults: Faults) -> World {
    World::new(rules, stored)
        .stale()
        .caller(0, &[Read])
        .caller(1, &[Refresh, Read])
        .caller(2, &[Read])
        .with(faults)
}

/// While somebody else does this.
fn refresh_while(rules: Rules, stored: Stored, other: &[Op]) -> World {
    World::new(rules, stored)
        .caller(0, &[Read])
        .caller(1, &[Refresh, Read])
        .caller(2, other)
}

const PUT_BY_SET: Rules = Rules {
    put: rules::Put::PlainSet,
    ..BUILT
};

const PUT_UNLINKS_LAST: Rules = Rules {
    put_order: RefreshKey::UnlinkedLast,
    ..PUT_BY_SET
};

const NEVER_LEADS: Rules = Rules {
    refresh_may_lead: false,
    ..BUILT
};

const REFUSED_IN_VAIN: Rules = Rules {
    refused_refresh_unlinks: false,
    ..BUILT
};

const NEVER_LEADS_REFUSED_IN_VAIN: Rules = Rules {
    refresh_may_lead: false,
    ..REFUSED_IN_VAIN
};

const REFRESH_KEY_OF_STALE: Rules = Rules {
    refresh_key_of: RefreshKeyOf::StaleFunctions,
    ..BUILT
};

const TWO_LOST_AND_VANISHES: Faults = Faults {
    replies_lost: 2,
    ..VANISHES
};

listed! {
    #[test]
    fn a_put_replaces_a_stale_value_that_is_being_refreshed() {
        holds(put_over_stale(BUILT, ONE_LOST));
    }

    #[test]
    fn a_put_by_a_plain_set_would_do_against_a_refresh() {
        holds(put_over_stale(PUT_BY_SET, AGES));
    }

    #[test]
    fn a_put_that_unlinks_the_refresh_key_last_is_found_out() {
        fails(S1, put_over_stale(PUT_UNLINKS_LAST, NONE));
    }

    fn a_late_put_stores_nothing_after_an_invalidation() {
        let world = put_then_invalidate(BUILT).caller(1, &[Read]);
        holds(world.with(TWO_LOST_AND_VANISHES));
    }

    #[test]
    fn a_late_put_by_a_plain_set_is_found_out() {
        fails(S1, put_then_invalidate(PUT_BY_SET).with(ONE_LOST));
    }

    /// What it puts is older than what another invalidated: only its caller could know.
    #[test]
    fn a_put_of_an_outdated_value_is_found_out() {
        fails(S1, put_against_invalidate(BUILT));
    }

    #[test]
    fn a_put_of_an_outdated_value_by_a_plain_set_is_found_out() {
        fails(S1, put_against_invalidate(PUT_BY_SET));
    }

    #[test]
    fn a_refresh_of_nothing_leads_a_load() {
        holds(refresh(BUILT, Stored::Nothing, AGES));
    }

    #[test]
    fn a_refresh_that_never_leads_would_do_if_it_unlinks_when_refused() {
        holds(refresh(NEVER_LEADS, Stored::Nothing, AGES));
    }

    #[test]
    fn a_refresh_of_nothing_that_ends_when_refused_is_found_out() {
        fails(
            S1,
            refresh(NEVER_LEADS_REFUSED_IN_VAIN, Stored::Nothing, NONE),
        );
    }

    fn a_refresh_of_nothing_survives_that_the_key_vanishes() {
        holds(refresh(BUILT, Stored::Nothing, VANISHES));
    }

    fn a_refresh_of_a_stale_value_survives_that_both_keys_vanish() {
        holds(refresh(BUILT, Stored::STALE, BOTH_VANISH));
    }

    fn a_refresh_that_never_leads_survives_that_both_keys_vanish() {
        holds(refresh(NEVER_LEADS, Stored::STALE, BOTH_VANISH));
    }

    #[test]
    fn a_refresh_of_a_stale_value_that_ends_when_refused_is_found_out() {
        fails(S1, refresh(REFUSED_IN_VAIN, Stored::STALE, BOTH_VANISH));
    }

    #[test]
    fn a_refresh_that_never_leads_and_ends_when_refused_is_found_out() {
        fails(
            S1,
            refresh(NEVER_LEADS_REFUSED_IN_VAIN, Stored::STALE, VANISHES),
        );
    }

    #[test]
    fn a_refresh_survives_a_lost_reply() {
        holds(refresh(BUILT, Stored::STALE, ONE_LOST));
    }

    fn a_refresh_survives_every_kind_of_fault() {
        let world = World::new(BUILT, Stored::STALE)
            .stale()
            .caller(0, &[Refresh, Read])
            .caller(1, &[Read, Read]);
        holds(world.with(EVERY_KIND));
    }

    #[test]
    fn a_refresh_survives_a_deletion_by_hand() {
        holds(refresh_while(BUILT, Stored::STALE, &[DeleteByHand]).stale());
    }

    fn a_refresh_survives_an_invalidation() {
        holds(refresh_while(BUILT, Stored::STALE, &[Invalidate, Read]).stale());
    }

    fn a_refresh_survives_another_refresh() {
        holds(refresh_while(BUILT, Stored::STALE, &[Refresh, Read]).stale());
    }

    #[test]
    fn any_function_may_be_refreshed_while_it_is_invalidated() {
        holds(refresh_while(BUILT, Stored::fresh(1), &[Invalidate, Read]));
    }

    #[test]
    fn sparing_the_refresh_key_of_functions_without_stale_is_found_out() {
        let world = refresh_while(REFRESH_KEY_OF_STALE, Stored::fresh(1), &[Invalidate, Read]);
        fails(S1, world);
    }
}
