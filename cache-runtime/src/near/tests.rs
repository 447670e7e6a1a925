use std::sync::atomic::AtomicU64;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::event::Counters;

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

fn get(near: &Near, n: u64) -> Option<u64> {
    near.get(&key(n).to_string())?.value().copied()
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

/// A destructor that looks for a copy, as user code may.
struct Looks(Arc<Near>);

impl Drop for Looks {
    fn drop(&mut self) {
        for n in 0..64 {
            self.0.get(&key(n).to_string());
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
    }
    near.forget(&key(63));
    near.forget_all();
    assert!(near.copies.is_empty());
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
    const WRITES: usize = 20_000;
    let near = near();
    let stored: [AtomicU64; KEYS as usize] = Default::default();
    let done = AtomicBool::new(false);
    let read = || {
        for n in (0..KEYS).cycle() {
            if done.load(Ordering::Relaxed) {
                return;
            }
            let before = near.watch(&key(n)).unwrap();
            let value = stored[n as usize].load(Ordering::SeqCst);
            thread::yield_now();
            // The control: who watches only once it has read misses what came in between.
            let watch = match is_watched_before {
                true => before,
                false => near.watch(&key(n)).unwrap(),
            };
            keep(watch, value, None, Duration::MAX);
        }
    };
    let write = || {
        let is_stale = |n: &u64| {
            let written = stored[*n as usize].fetch_add(1, Ordering::SeqCst) + 1;
            near.forget(&key(*n));
            thread::yield_now();
            get(&near, *n).is_some_and(|copy| copy < written)
        };
        let stale = (0..KEYS).cycle().take(WRITES).filter(is_stale).count();
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
fn no_copy_is_older_than_what_was_written_before_it_was_forgotten() {
    assert_eq!(stale_copies(true), 0);
}

#[test]
fn without_the_watch_before_the_read_the_same_race_leaves_older_copies() {
    assert!(stale_copies(false) > 0);
}
