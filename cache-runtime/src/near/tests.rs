use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::event::{Counters, EventKind};
use crate::spec::Spec;

const AGE: Duration = Duration::from_secs(10);

fn near() -> Arc<Near> {
    Arc::new(Near::new(1 << 20, AGE))
}

fn key(n: u64) -> Key {
    Key::new("near").part(&n)
}

fn counters() -> Counted {
    Counted::Elsewhere(Arc::new(Counters::new("test", "near")))
}

fn keep(watch: Watch, value: u64, left: Option<Duration>, max_age: Duration) {
    if let Some(life) = watch.life(left, max_age, 8, &counters()) {
        watch.keep(Copied::new(life, value));
    }
}

fn put(near: &Arc<Near>, n: u64, value: u64) {
    keep(near.watch(&key(n)).unwrap(), value, None, Duration::MAX);
}

/// What the map has.
fn in_map(near: &Near, n: u64) -> Option<u64> {
    living(near, &key(n).to_string())?.value().copied()
}

/// A copy in the map whose time is not over.
fn living(near: &Near, key: &str) -> Option<Arc<Copied>> {
    let now = near.now();
    near.find(key, now)
        .filter(|copied| now.is_in_time_of(copied))
}

/// What a call is answered with: by what its thread has at hand, or else by the map.
fn get(near: &Near, n: u64) -> Option<u64> {
    at_hand(near, n).or_else(|| {
        let key = key(n).to_string();
        let copied = living(near, &key)?;
        front::keep(copied.clone(), &wanted(near, &key));
        copied.value().copied()
    })
}

fn at_hand(near: &Near, n: u64) -> Option<u64> {
    let mut value = None;
    front::answer(&wanted(near, &key(n).to_string()), &mut |copied| {
        value = copied.value().copied();
        value.is_some()
    });
    value
}

fn wanted<'a>(near: &Near, key: &'a str) -> Wanted<'a> {
    static SPEC: Spec = Spec::named("near", "tests.rs", [1, 1]);
    Wanted {
        instance: SPEC.instance(),
        parts: key.strip_prefix("near").unwrap(),
        now: near.now(),
    }
}

#[test]
fn a_copy_answers_until_it_is_forgotten() {
    let near = near();
    assert_eq!(get(&near, 1), None);
    put(&near, 1, 10);
    put(&near, 2, 20);
    near.forget(&key(1));
    assert_eq!((get(&near, 1), get(&near, 2)), (None, Some(20)));
    near.forget_all();
    assert_eq!(get(&near, 2), None);
}

/// A cache may be installed between the two looks of a call.
#[test]
fn a_copy_is_found_only_in_the_tier_that_the_call_began_with() {
    let (one, other) = (near(), near());
    put(&other, 1, 10);
    let text = key(1).to_string();
    assert!(other.find(&text, one.now()).is_none());
    assert!(other.find(&text, other.now()).is_some());
}

#[test]
fn what_was_read_before_a_change_is_not_kept_after_it() {
    type Change = fn(&Near);
    let changes: [Change; 2] = [|near| near.forget(&key(1)), Near::forget_all];
    for change in changes {
        let near = near();
        let before = near.watch(&key(1)).unwrap();
        change(&near);
        let after = near.watch(&key(1)).unwrap();
        keep(before, 1, None, Duration::MAX);
        assert_eq!(get(&near, 1), None);
        keep(after, 2, None, Duration::MAX);
        assert_eq!(get(&near, 1), Some(2));
    }
}

#[test]
fn a_copy_never_outlives_its_value_nor_its_age() {
    let second = Duration::from_secs(1);
    for (left, max_age, lives) in [
        (Some(3 * second), Duration::MAX, 3 * second),
        (Some(30 * second), Duration::MAX, AGE),
        (None, Duration::MAX, AGE),
        (None, 2 * second, 2 * second),
        (Some(second), 2 * second, second),
    ] {
        let near = near();
        keep(near.watch(&key(1)).unwrap(), 1, left, max_age);
        near.advance(lives - second / 2);
        assert_eq!(get(&near, 1), Some(1), "{left:?} {max_age:?}");
        near.advance(second / 2);
        assert_eq!(get(&near, 1), None, "{left:?} {max_age:?}");
    }
}

#[test]
fn what_is_over_before_the_clock_steps_is_not_kept() {
    let near = near();
    let watch = near.watch(&key(1)).unwrap();
    keep(watch, 1, Some(Clock::STEP), Duration::MAX);
    assert_eq!(get(&near, 1), None);
}

#[test]
fn it_never_holds_more_bytes_than_it_was_given() {
    let near = Arc::new(Near::new(100_000, AGE));
    for n in 0..10_000 {
        put(&near, n, n);
        assert!(near.copies.weight() <= 100_000);
    }
    assert!(near.copies.len() > 100);
}

#[test]
fn nothing_is_kept_once_it_is_closed() {
    let near = near();
    put(&near, 1, 1);
    let watch = near.watch(&key(2)).unwrap();
    near.close();
    keep(watch, 2, None, Duration::MAX);
    assert!(near.watch(&key(3)).is_none());
    assert_eq!((get(&near, 1), get(&near, 2)), (None, None));
}

#[test]
fn a_key_by_hand_is_not_the_key_of_a_function() {
    let near = near();
    put(&near, 1, 1);
    let by_hand = Key::raw(&key(1).to_string());
    near.forget(&by_hand);
    assert!(near.watch(&by_hand).is_none());
    assert_eq!(get(&near, 1), Some(1));
}

#[test]
fn who_watches_hears_of_a_change_that_came_before_the_wait_and_of_one_that_comes_after() {
    let near = near();
    let watch = near.watch(&key(1)).unwrap();
    near.forget(&key(1));
    pollster::block_on(watch.changed());
    let watch = near.watch(&key(1)).unwrap();
    let waiting = thread::spawn(move || pollster::block_on(watch.changed()));
    while !waiting.is_finished() {
        near.forget(&key(1));
        thread::yield_now();
    }
}

#[test]
fn what_is_at_hand_ends_with_the_copy_in_the_map() {
    type End = fn(&Arc<Near>);
    let ends: [End; 5] = [
        |near| near.forget(&key(1)),
        |near| near.forget_all(),
        |near| near.close(),
        |near| near.advance(AGE),
        // Another one takes its place, or all of the room.
        |near| {
            for n in 100..20_000 {
                put(near, n, n);
                get(near, n);
                get(near, n);
            }
        },
    ];
    for end in ends {
        let near = near();
        put(&near, 1, 10);
        assert_eq!((at_hand(&near, 1), get(&near, 1)), (None, Some(10)));
        assert_eq!(at_hand(&near, 1), Some(10));
        end(&near);
        assert_eq!(at_hand(&near, 1), None);
    }
    let near = near();
    put(&near, 1, 10);
    get(&near, 1);
    put(&near, 1, 11);
    assert_eq!((at_hand(&near, 1), get(&near, 1)), (None, Some(11)));
}

#[test]
fn what_is_at_hand_is_of_this_tier_this_function_and_this_key() {
    let (one, other) = (near(), near());
    put(&one, 1, 10);
    put(&other, 1, 20);
    for _ in 0..3 {
        assert_eq!((get(&one, 1), get(&other, 1)), (Some(10), Some(20)));
    }
    assert_eq!((at_hand(&one, 1), at_hand(&one, 11)), (Some(10), None));
    static OTHER: Spec = Spec::named("other", "tests.rs", [2, 1]);
    let of_other = Wanted {
        instance: OTHER.instance(),
        ..wanted(&one, "near:1")
    };
    assert!(!front::answer(&of_other, &mut |_| true));
}

#[test]
fn a_thread_has_no_more_at_hand_than_it_has_room_for() {
    let near = Arc::new(Near::new(1 << 30, AGE));
    let hold = |n: u64, bytes: usize| {
        let watch = near.watch(&key(n)).unwrap();
        let life = watch.life(None, AGE, bytes, &counters()).unwrap();
        watch.keep(Copied::new(life, n));
        assert_eq!(get(&near, n), Some(n));
        front::held()
    };
    let many = (0..10_000).map(|n| hold(n, 8).0).max();
    assert_eq!(many, Some(4096));
    let large = |n| hold(n, 1 + usize::try_from(n % 70).unwrap() * 1000).1;
    let bytes = (0..10_000).map(large).max().unwrap();
    assert!((1 << 19..=1 << 20).contains(&bytes), "{bytes}");
    // Also where the values of keys that it has at hand grow.
    for n in 0..4000 {
        hold(n, 8);
    }
    assert!(front::held().0 > 1000, "{:?}", front::held());
    let grown = (0..4000).map(|n| hold(n, 60_000).1).max();
    assert!(grown <= Some(1 << 20), "{grown:?}");
}

#[test]
fn a_copy_that_is_only_looked_at_where_it_is_at_hand_is_in_use_for_the_map() {
    let near = Arc::new(Near::new(100_000, AGE));
    put(&near, 0, 7);
    for n in 1..10_000 {
        for _ in 0..40 {
            assert_eq!(get(&near, 0), Some(7), "{n}");
        }
        put(&near, n, n);
        // In use itself, so that room is made by what is not.
        assert_eq!((in_map(&near, n), in_map(&near, n)), (Some(n), Some(n)));
    }
    assert!((1..10_000).any(|n| in_map(&near, n).is_none()));
}

#[test]
fn hits_of_all_threads_are_counted() {
    let near = near();
    let counted = counters();
    let watch = near.watch(&key(1)).unwrap();
    let life = watch.life(None, AGE, 8, &counted).unwrap();
    watch.keep(Copied::new(life, 1_u64));
    let look = || {
        get(&near, 1);
        (0..31).filter(|_| at_hand(&near, 1).is_some()).count()
    };
    let seen: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(look)).collect();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(seen, 8 * 31);
    assert_eq!(counted.read(EventKind::Near), 8 * 31);
}

/// A destructor that looks for a copy, as user code may.
struct Looks(Arc<Near>);

impl Drop for Looks {
    fn drop(&mut self) {
        for n in 0..64 {
            get(&self.0, n);
            drop(self.0.watch(&key(n)));
        }
    }
}

#[test]
fn the_destructor_of_a_copy_runs_under_no_lock() {
    let near = Arc::new(Near::new(4_000, AGE));
    for n in (0..64).chain(0..64) {
        let watch = near.watch(&key(n)).unwrap();
        let life = watch.life(None, AGE, 8, &counters()).unwrap();
        watch.keep(Copied::new(life, Looks(near.clone())));
        // At hand, too: there the next one drops it.
        get(&near, n);
    }
    near.forget(&key(63));
    near.forget_all();
    assert!(near.copies.is_empty());
}

#[test]
fn what_changed_together_is_ended_before_any_of_it_is_dropped() {
    /// Looks, when it is dropped, for a copy that changed with its own.
    struct LooksAt(Arc<Near>, u64, Arc<AtomicU64>);
    impl Drop for LooksAt {
        fn drop(&mut self) {
            let found = get(&self.0, self.1).is_some();
            self.2
                .fetch_add(1 << (8 * u64::from(found)), Ordering::Relaxed);
        }
    }
    let near = near();
    let found = Arc::new(AtomicU64::new(0));
    for (n, other) in [(1, 2), (2, 1)] {
        let watch = near.watch(&key(n)).unwrap();
        let life = watch.life(None, AGE, 8, &counters()).unwrap();
        watch.keep(Copied::new(
            life,
            LooksAt(near.clone(), other, found.clone()),
        ));
    }
    let changed = [1, 2].map(|n| key(n).to_string());
    near.forget_texts(changed.iter().map(String::as_str));
    assert_eq!(found.load(Ordering::Relaxed), 2);
}

#[test]
fn the_io_thread_drops_no_copy() {
    struct Tells(mpsc::Sender<Option<String>>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let name = thread::current().name().map(str::to_owned);
            self.0.send(name).unwrap();
        }
    }
    let near = near();
    let (tell, dropped) = mpsc::channel();
    let put = move |near: &Arc<Near>, n: u64| {
        let watch = near.watch(&key(n)).unwrap();
        let life = watch.life(None, AGE, 8, &counters()).unwrap();
        watch.keep(Copied::new(life, Tells(tell.clone())));
    };
    let on_io = async move {
        put(&near, 1);
        put(&near, 1);
        near.forget(&key(1));
        put(&near, 2);
        near.forget_all();
        put(&near, 3);
        drop(near);
    };
    exec::spawn_on_io(on_io).unwrap();
    let names: Vec<_> = dropped.iter().collect();
    assert_eq!(names.len(), 4);
    let of_io = Some("cache-io".to_owned());
    assert!(!names.contains(&of_io), "{names:?}");
}

/// A destructor that does not find what it needs.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("it is gone");
    }
}

#[test]
fn a_thread_whose_copies_cannot_be_dropped_ends_all_the_same() {
    let near = near();
    let watch = near.watch(&key(1)).unwrap();
    let life = watch.life(None, AGE, 8, &counters()).unwrap();
    watch.keep(Copied::new(life, Panics));
    let thread = thread::spawn(move || {
        let text = key(1).to_string();
        front::keep(living(&near, &text).unwrap(), &wanted(&near, &text));
        // Nobody else has it now.
        near.forget(&key(1));
    });
    thread.join().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Watch,
    /// By the watch of this number, of what was stored when it began.
    Keep(usize),
    Leave(usize),
    Write,
    WriteAndLoseTrack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Watch),
        (0..4_usize).prop_map(Step::Keep),
        (0..4_usize).prop_map(Step::Leave),
        Just(Step::Write),
        Just(Step::WriteAndLoseTrack),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn a_copy_is_what_is_stored_and_nobody_is_left_in_the_table(steps in steps()) {
        let near = near();
        let mut stored = 0;
        let mut watching = Vec::new();
        for step in steps {
            match step {
                Step::Watch => watching.push((near.watch(&key(1)).unwrap(), stored)),
                Step::Keep(n) if n < watching.len() => {
                    let (watch, read) = watching.remove(n);
                    keep(watch, read, None, Duration::MAX);
                }
                Step::Leave(n) if n < watching.len() => drop(watching.remove(n)),
                Step::Keep(_) | Step::Leave(_) => {}
                Step::Write => {
                    stored += 1;
                    near.forget(&key(1));
                }
                Step::WriteAndLoseTrack => {
                    stored += 1;
                    near.forget_all();
                }
            }
            prop_assert!(get(&near, 1).is_none_or(|copy| copy == stored));
        }
        drop(watching);
        prop_assert!(near.watches().of_keys.is_empty());
    }
}

/// Readers and a writer race on a few keys. How often a copy was older than what was written before
/// the writer forgot it.
fn stale_copies(is_watched_before: bool) -> usize {
    const KEYS: u64 = 4;
    const READS: usize = 5_000;
    let near = near();
    let stored: [AtomicU64; KEYS as usize] = Default::default();
    let done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    let read = || {
        for n in (0..KEYS).cycle() {
            if done.load(Ordering::Relaxed) {
                return;
            }
            let before = near.watch(&key(n)).unwrap();
            let value = stored[n as usize].load(Ordering::SeqCst);
            // Of half of the keys, the next change comes between the read and what is kept.
            let is_old = || stored[n as usize].load(Ordering::SeqCst) > value;
            while n % 2 == 0 && !is_old() && !done.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            // The control: who watches only once it has read misses what came in between.
            let watch = match is_watched_before {
                true => before,
                false => near.watch(&key(n)).unwrap(),
            };
            keep(watch, value, None, Duration::MAX);
            reads.fetch_add(1, Ordering::Relaxed);
        }
    };
    let write = || {
        let is_stale = |n: &u64| {
            let stored = &stored[*n as usize];
            // No write of this key is under way: a copy is stale that is older than the last one.
            let is_stale = get(&near, *n).is_some_and(|copy| copy < stored.load(Ordering::SeqCst));
            stored.fetch_add(1, Ordering::SeqCst);
            near.forget(&key(*n));
            thread::yield_now();
            is_stale
        };
        let has_time = |_: &u64| reads.load(Ordering::Relaxed) < READS;
        let keys = (0..KEYS).cycle().take_while(has_time);
        let stale = keys.filter(is_stale).count();
        done.store(true, Ordering::Relaxed);
        stale
    };
    thread::scope(|scope| {
        scope.spawn(read);
        scope.spawn(read);
        write()
    })
}

#[test]
fn no_copy_is_older_than_the_last_write() {
    assert_eq!(stale_copies(true), 0);
}

#[test]
fn a_watch_after_the_read_leaves_older_copies() {
    assert!(stale_copies(false) > 0);
}
