use proptest::prelude::*;

use super::*;

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn three_attempts_that_failed_in_a_row_open_it() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    assert!(!breaker.dead(now) && !breaker.dead(now));
    assert!(!breaker.is_open() && breaker.is_in_doubt());
    assert!(breaker.dead(now), "the third");
    assert!(breaker.is_open());
    assert!(!breaker.dead(now), "it is open already");
    assert_eq!(breaker.outages(), 1);
}

#[test]
fn an_answer_to_anybody_in_between_keeps_it_closed() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    for _ in 0..20 {
        assert!(!breaker.dead(now) && !breaker.dead(now));
        breaker.answered();
        assert!(!breaker.is_in_doubt());
    }
    assert!(!breaker.is_open());
}

#[test]
fn it_opens_when_half_of_the_commands_of_a_second_are_late_but_not_for_a_few() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    assert!(!breaker.late(FEWEST_LATE - 1, now));
    assert!(!breaker.late(FEWEST_LATE - 1, after(now, 1001)));
    (0..20).for_each(|_| breaker.answered());
    assert!(!breaker.late(10, after(now, 1500)), "19 late of 39");
    assert!(breaker.late(1, after(now, 1999)), "20 late of 40");
    assert!(breaker.is_open());
}

#[test]
fn one_refusal_of_everything_opens_it_and_one_answered_probe_closes_it() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    assert!(breaker.refused(now));
    assert_eq!(
        breaker.recovered(after(now, 700)),
        Some(Duration::from_millis(700))
    );
    assert!(!breaker.is_open() && !breaker.is_in_doubt());
    assert_eq!(breaker.recovered(after(now, 700)), None);
}

#[test]
fn the_first_probe_comes_at_once_and_then_one_at_a_time() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    breaker.refused(now);
    assert_eq!(breaker.next_probe(), Duration::ZERO);
    for _ in 0..100 {
        assert_eq!(breaker.next_probe(), PROBE_EVERY);
    }
    // However soon it is away again: a server that refuses or is gone costs nobody a wait.
    breaker.recovered(after(now, 100));
    breaker.refused(after(now, 200));
    assert_eq!(breaker.next_probe(), Duration::ZERO);
}

#[test]
fn a_server_that_answers_the_probe_and_not_its_callers_is_probed_less_and_less() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    let pauses = (0..8).map(|n| {
        assert!(breaker.late(FEWEST_LATE, after(now, 1000 * n)));
        let pause = breaker.next_probe();
        breaker.recovered(after(now, 1000 * n + 1));
        pause.as_millis()
    });
    let pauses: Vec<_> = pauses.collect();
    assert_eq!(pauses, [0, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    assert!(breaker.late(FEWEST_LATE, after(now, 20_000)));
    assert_eq!(breaker.next_probe(), Duration::ZERO, "it was well for long");
}

/// Whoever is late may have seen fewer answers than the one whose window it falls into.
#[test]
fn what_is_answered_while_another_is_late_is_no_miscount() {
    let (breaker, start) = (Breaker::default(), Instant::now());
    let late = || {
        for round in 0..50_000 {
            (0..FEWEST_LATE).for_each(|_| breaker.answered());
            assert!(!breaker.late(1, after(start, 1001 * round)));
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(late);
        }
    });
    assert!(!breaker.is_open());
}

#[derive(Clone, Copy, Debug)]
enum Seen {
    Answered,
    Late(u64),
    Dead,
    Refused,
    Recovered,
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        4 => Just(Seen::Answered),
        2 => (1..20_u64).prop_map(Seen::Late),
        2 => Just(Seen::Dead),
        1 => Just(Seen::Refused),
        1 => Just(Seen::Recovered),
    ]
}

proptest! {
    /// Each outage is told of once, when it begins and when it ends, and nothing but a probe ends one.
    #[test]
    fn whoever_opens_or_closes_it_is_told_so_and_nobody_else(
        story in prop::collection::vec((seen(), 0..400_u64), 1..200)
    ) {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let (mut millis, mut open, mut outages) = (0, false, 0);
        for (seen, pause) in story {
            millis += pause;
            let now = after(start, millis);
            let opened = match seen {
                Seen::Answered => {
                    breaker.answered();
                    false
                }
                Seen::Late(commands) => breaker.late(commands, now),
                Seen::Dead => breaker.dead(now),
                Seen::Refused => breaker.refused(now),
                Seen::Recovered => {
                    prop_assert_eq!(breaker.recovered(now).is_some(), open);
                    open = false;
                    false
                }
            };
            prop_assert!(!(opened && open), "it was open");
            open |= opened;
            outages += u64::from(opened);
            prop_assert_eq!(breaker.is_open(), open);
            prop_assert_eq!(breaker.outages(), outages);
        }
    }

    /// A server that answers more than it leaves waiting, and can be reached, is never given up.
    #[test]
    fn it_stays_closed_while_more_is_answered_than_not(
        story in prop::collection::vec((1..30_u64, 0..300_u64), 1..200)
    ) {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let mut millis = 0;
        for (commands, pause) in story {
            millis += pause;
            // Answers come first, since a window begins with what is late.
            breaker.late(1, after(start, millis));
            (0..=2 * commands).for_each(|_| breaker.answered());
            breaker.late(commands, after(start, millis));
            breaker.dead(after(start, millis));
            breaker.answered();
        }
        prop_assert!(!breaker.is_open());
    }
}
