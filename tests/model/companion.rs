//! What a function's companion stores by itself: `put`, and `refresh`.

use crate::faults::Faults;
use crate::process::Op::{DeleteByHand, Invalidate, Put as Puts, Read, Refresh};
use crate::redis::Stored;
use crate::rules::{BUILT, Put, RefreshKey, RefreshKeyOf, Rules};
use crate::scenarios::{fails, holds, listed};
use crate::world::{S1, World};

const NONE: Faults = Faults::NONE;
const AGES: Faults = Faults { ages: 1, ..NONE };
const ONE_LOST: Faults = Faults {
    replies_lost: 1,
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

const PLAIN_SET: Rules = Rules {
    put: Put::PlainSet,
    ..BUILT
};

fn put_over_stale(rules: Rules, faults: Faults) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Read]), (1, &[Puts, Read]), (2, &[Read])];
    World {
        faults,
        stale: true,
        ..World::new(rules, Stored::STALE, &callers)
    }
}

fn put_then_invalidate(rules: Rules) -> World {
    let callers: [(_, &[_]); 2] = [(0, &[Puts, Invalidate, Read]), (1, &[Read])];
    let faults = Faults {
        replies_lost: 2,
        ..VANISHES
    };
    World {
        faults,
        ..World::new(rules, Stored::Nothing, &callers)
    }
}

fn put_against_invalidate(rules: Rules) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Puts]), (1, &[Invalidate, Read]), (1, &[Read])];
    World::new(rules, Stored::Nothing, &callers)
}

fn refresh(rules: Rules, stored: Stored, faults: Faults) -> World {
    let callers: [(_, &[_]); 3] = [(0, &[Read]), (1, &[Refresh, Read]), (2, &[Read])];
    World {
        faults,
        stale: true,
        ..World::new(rules, stored, &callers)
    }
}

const NEVER_LEADS: Rules = Rules {
    refresh_may_lead: false,
    ..BUILT
};
const REFUSED_IN_VAIN: Rules = Rules {
    refused_refresh_unlinks: false,
    ..BUILT
};
const NEITHER: Rules = Rules {
    refresh_may_lead: false,
    ..REFUSED_IN_VAIN
};
const STALE_FUNCTIONS_ONLY: Rules = Rules {
    refresh_key_of: RefreshKeyOf::StaleFunctions,
    ..BUILT
};

listed! {
    fn a_put_replaces_a_stale_value_that_is_being_refreshed() {
        holds(put_over_stale(BUILT, ONE_LOST));
    }

    #[test]
    fn a_put_by_a_plain_set_would_do_against_a_refresh() {
        holds(put_over_stale(PLAIN_SET, AGES));
    }

    #[test]
    fn a_put_that_unlinks_the_refresh_key_last_is_found_out() {
        fails(S1, put_over_stale(Rules { put_order: RefreshKey::UnlinkedLast, ..PLAIN_SET }, NONE));
    }

    fn a_late_put_stores_nothing_after_an_invalidation() {
        holds(put_then_invalidate(BUILT));
    }

    #[test]
    fn a_late_put_by_a_plain_set_is_found_out() {
        fails(S1, World { faults: ONE_LOST, ..put_then_invalidate(PLAIN_SET) });
    }

    /// What it puts is older than what another invalidated: only its caller could know.
    #[test]
    fn a_put_of_an_outdated_value_is_found_out() {
        fails(S1, put_against_invalidate(BUILT));
    }

    #[test]
    fn a_put_of_an_outdated_value_by_a_plain_set_is_found_out() {
        fails(S1, put_against_invalidate(PLAIN_SET));
    }

    #[test]
    fn a_refresh_of_nothing_leads_a_load() {
        holds(refresh(BUILT, Stored::Nothing, AGES));
    }

    fn a_refresh_that_never_leads_would_do_if_it_unlinks_when_refused() {
        holds(refresh(NEVER_LEADS, Stored::Nothing, AGES));
    }

    #[test]
    fn a_refresh_of_nothing_that_ends_when_refused_is_found_out() {
        fails(S1, refresh(NEITHER, Stored::Nothing, NONE));
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
        fails(S1, refresh(NEITHER, Stored::STALE, VANISHES));
    }

    fn a_refresh_survives_a_lost_reply() {
        holds(refresh(BUILT, Stored::STALE, ONE_LOST));
    }

    #[test]
    fn a_refresh_survives_a_deletion_by_hand() {
        let callers: [(_, &[_]); 3] = [(0, &[Read]), (1, &[Refresh, Read]), (2, &[DeleteByHand])];
        holds(World { stale: true, ..World::new(BUILT, Stored::STALE, &callers) });
    }

    fn a_refresh_runs_against_an_invalidation() {
        holds(refreshed_while_invalidated(BUILT, true));
    }

    fn any_function_may_be_refreshed_while_it_is_invalidated() {
        holds(refreshed_while_invalidated(BUILT, false));
    }

    #[test]
    fn sparing_the_refresh_key_of_functions_without_stale_is_found_out() {
        fails(S1, refreshed_while_invalidated(STALE_FUNCTIONS_ONLY, false));
    }
}

fn refreshed_while_invalidated(rules: Rules, stale: bool) -> World {
    let callers: [(_, &[_]); 3] = [
        (0, &[Read]),
        (1, &[Refresh, Read]),
        (2, &[Invalidate, Read]),
    ];
    let stored = Stored::Value { version: 1, stale };
    World {
        stale,
        ..World::new(rules, stored, &callers)
    }
}
