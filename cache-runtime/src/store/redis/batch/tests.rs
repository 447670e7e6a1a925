use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::failure::ended;
use super::*;
use crate::size::LONGEST;

fn join(queue: &mut Queue, name: &str) -> Joined {
    join_for(queue, name, Size::Small)
}

fn join_for(queue: &mut Queue, name: &str, size: Size) -> Joined {
    let wanted = Wanted {
        name: OnServer::whole(name),
        left: false,
        size,
    };
    queue.join(wanted, Waker::noop())
}

fn wait(queue: &mut Queue, name: &str) -> Waiter {
    join(queue, name).waiter
}

/// The next batch, sent.
fn send(queue: &mut Queue) -> Sealed {
    match queue.next(false) {
        Next::Send(batch) | Next::SendLast(batch) => batch,
        _ => panic!("there is nothing to send"),
    }
}

fn names(batch: &Sealed) -> Vec<&str> {
    batch
        .names()
        .map(|name| std::str::from_utf8(name).unwrap())
        .collect()
}

fn found(json: &str) -> Found {
    Found {
        json: Some(json.into()),
        ..Found::default()
    }
}

#[test]
fn a_lone_read_needs_no_sender() {
    let mut queue = Queue::default();
    for _ in 0..3 {
        assert!(queue.begin_alone());
        assert!(!queue.begin_alone());
        queue.end_alone();
    }
}

#[test]
fn reads_of_one_turn_go_together() {
    let mut queue = Queue::default();
    assert!(queue.begin_alone());
    let first = join(&mut queue, "b");
    assert!(first.needs_sender);
    let second = join(&mut queue, "c");
    assert!(!second.needs_sender);
    let Next::SendLast(batch) = queue.next(false) else {
        panic!("the lone read is still on the wire, and nobody waits for its end");
    };
    assert_eq!(names(&batch), ["b", "c"]);
    let next_turn = join(&mut queue, "d");
    assert!(next_turn.needs_sender, "another");
    assert_eq!(names(&send(&mut queue)), ["d"]);
}

#[test]
fn the_last_batch_ends_and_reads_are_alone() {
    let mut queue = Queue::default();
    let _waits = wait(&mut queue, "a");
    assert!(!queue.begin_alone(), "one waits");
    let batch = send(&mut queue);
    assert!(!queue.begin_alone(), "one is under way");
    let _waits = wait(&mut queue, "b");
    let second = send(&mut queue);
    for batch in [batch, second] {
        assert!(!queue.begin_alone());
        queue.end(UnderWay::of(&batch));
    }
    assert!(queue.begin_alone());
}

#[test]
fn a_sender_without_a_turn_is_late() {
    let mut queue = Queue::default();
    assert!(!queue.is_sender_late(Duration::ZERO), "nothing waits");
    let _waits = wait(&mut queue, "a");
    assert!(!queue.is_sender_late(Duration::from_secs(3600)));
    assert!(queue.is_sender_late(Duration::ZERO));
    let _sent = send(&mut queue);
    assert!(!queue.is_sender_late(Duration::ZERO), "it is sent");
}

#[test]
fn a_sender_that_waits_for_an_answer_is_not_late() {
    let mut queue = Queue::default();
    let large = Size::Large(MOST_BYTES);
    let _waiting = ["a", "b"].map(|name| join_for(&mut queue, name, large).waiter);
    let first = send(&mut queue);
    assert!(matches!(queue.next(false), Next::MakeRoom(_)));
    assert!(!queue.is_sender_late(Duration::ZERO));
    queue.end(UnderWay::of(&first));
    assert!(queue.without_room().is_none(), "there is room by now");
    assert_eq!(names(&send(&mut queue)), ["b"]);
}

#[test]
fn what_a_sender_leaves_keeps_nobody_waiting() {
    let mut queue = Queue::default();
    let waiting: Vec<_> = (0..300).map(|n| wait(&mut queue, &n.to_string())).collect();
    drop(queue.abandon());
    for waiter in waiting {
        assert!(pollster::block_on(waiter).is_err());
    }
}

#[test]
fn each_gets_the_answer_to_its_own_key() {
    let mut queue = Queue::default();
    let [mut a, gone, mut c] = ["a", "b", "c"].map(|name| wait(&mut queue, name));
    drop(gone);
    let batch = send(&mut queue);
    assert_eq!(names(&batch), ["a", "c"]);
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut a).poll(&mut context).is_pending());
    batch.answer(Ok(vec![Ok(found("1")), Ok(found("3"))]));
    for (waiter, json) in [(&mut a, "1"), (&mut c, "3")] {
        let Poll::Ready(Ok(answer)) = Pin::new(waiter).poll(&mut context) else {
            panic!("it was answered");
        };
        assert_eq!(answer, found(json));
    }
}

#[test]
fn an_error_reaches_everybody() {
    let mut queue = Queue::default();
    let waiting = ["a", "b"].map(|name| wait(&mut queue, name));
    send(&mut queue).answer(Err(ended()));
    for waiter in waiting {
        assert!(pollster::block_on(waiter).is_err());
    }
}

#[test]
fn a_batch_that_is_dropped_keeps_nobody_waiting() {
    let mut queue = Queue::default();
    let waiter = wait(&mut queue, "a");
    drop(send(&mut queue));
    assert!(pollster::block_on(waiter).is_err());
}

#[test]
fn who_waits_is_woken_where_it_was_polled_last() {
    struct Woken(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(false.into()));
    let mut queue = Queue::default();
    let mut waiter = wait(&mut queue, "a");
    let batch = send(&mut queue);
    let mut here = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut waiter).poll(&mut here).is_pending());
    let waker = Waker::from(woken.clone());
    let mut elsewhere = Context::from_waker(&waker);
    assert!(Pin::new(&mut waiter).poll(&mut elsewhere).is_pending());
    batch.answer(Ok(vec![Ok(found("1"))]));
    assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn nobody_joins_a_batch_that_is_sealed() {
    let mut queue = Queue::default();
    let _first = wait(&mut queue, "a");
    let sealed = send(&mut queue);
    let _later = wait(&mut queue, "a");
    assert_eq!(names(&sealed), ["a"]);
    assert_eq!(names(&send(&mut queue)), ["a"]);
}

#[test]
fn who_left_is_not_asked_for() {
    let mut queue = Queue::default();
    drop(wait(&mut queue, "a"));
    let _stays = wait(&mut queue, "b");
    let batch = send(&mut queue);
    assert_eq!(names(&batch), ["b"]);
    drop(wait(&mut queue, "c"));
    assert!(matches!(queue.next(false), Next::Done));
    queue.end(UnderWay::of(&batch));
    assert!(queue.window.is_empty());
}

#[test]
fn a_batch_has_an_end() {
    let mut queue = Queue::default();
    let waiting: Vec<_> = (0..1000)
        .map(|n| wait(&mut queue, &n.to_string()))
        .collect();
    let mut sizes = Vec::new();
    loop {
        match queue.next(false) {
            Next::Send(batch) => sizes.push(batch.len()),
            Next::SendLast(batch) => break sizes.push(batch.len()),
            _ => panic!("all of them are sent"),
        }
    }
    let rest = waiting.len() % MOST_KEYS;
    let full = vec![MOST_KEYS; waiting.len() / MOST_KEYS];
    assert_eq!(sizes, [full, vec![rest]].concat());
}

#[test]
fn a_batch_gathers_while_many_are_under_way() {
    let mut queue = Queue::default();
    let several = |queue: &mut Queue, count| -> Vec<_> {
        (0..count)
            .map(|n: usize| wait(queue, &n.to_string()))
            .collect()
    };
    let _few = several(&mut queue, WORTH_GATHERING - 1);
    let few = send(&mut queue);
    let _one = several(&mut queue, 1);
    assert!(matches!(queue.next(true), Next::SendLast(_)), "few are");
    let _more = several(&mut queue, 2);
    assert!(matches!(queue.next(true), Next::Gather));
    queue.end(UnderWay::of(&few));
    assert!(matches!(queue.next(true), Next::SendLast(_)), "answered");
    let _more = several(&mut queue, WORTH_GATHERING);
    let _under_way = send(&mut queue);
    let _many = several(&mut queue, ENOUGH);
    assert!(matches!(queue.next(true), Next::SendLast(_)), "enough");
}

/// How many keys are in each batch of a thousand who expect such values.
fn a_thousand_of(size: Size) -> Vec<usize> {
    let mut queue = Queue::default();
    let _waiting: Vec<_> = (0..1000)
        .map(|n| join_for(&mut queue, &n.to_string(), size))
        .collect();
    let mut sizes = Vec::new();
    loop {
        match queue.next(false) {
            Next::Send(batch) | Next::SendLast(batch) => {
                sizes.push(batch.len());
                let next = queue.next(false);
                assert!(matches!(next, Next::MakeRoom(_) | Next::Done), "{size:?}");
                queue.end(UnderWay::of(&batch));
            }
            Next::Done => return sizes,
            Next::Gather | Next::MakeRoom(_) => panic!("nothing is under way"),
        }
    }
}

#[test]
fn large_values_go_few_at_a_time() {
    for (size, keys) in [
        (Size::Large(100_000), 83),
        (Size::Large(1 << 20), 8),
        (Size::Unknown, 8),
        (Size::Large(8 << 20), 1),
        (Size::Large(usize::MAX - 1), 1),
    ] {
        let batches = a_thousand_of(size);
        let (last, full) = batches.split_last().unwrap();
        assert!(full.iter().all(|&of| of == keys), "{size:?}: {batches:?}");
        assert!(*last <= keys, "{size:?}: {batches:?}");
    }
}

/// All that may go out now.
fn send_all(queue: &mut Queue) -> Vec<Sealed> {
    let batch = || match queue.next(false) {
        Next::Send(batch) | Next::SendLast(batch) => Some(batch),
        _ => None,
    };
    std::iter::from_fn(batch).collect()
}

fn a_thousand_unknown(queue: &mut Queue) -> Vec<Joined> {
    let join = |n: u32| join_for(queue, &n.to_string(), Size::Unknown);
    (0..1000).map(join).collect()
}

#[test]
fn more_goes_out_while_values_are_small() {
    let mut queue = Queue::growing();
    let _waiting = a_thousand_unknown(&mut queue);
    let mut under_way = send_all(&mut queue);
    let mut sent = vec![under_way.len()];
    for largest in [10, LARGE, 10, 10, LARGE + 1, 10] {
        queue.saw(largest);
        queue.end(UnderWay::of(&under_way.remove(0)));
        let more = send_all(&mut queue);
        sent.push(more.len());
        under_way.extend(more);
    }
    // One is answered each time: 2, 4, 8 are under way then, no more than 8, and 1 when the rest is answered.
    assert_eq!(sent, [1, 2, 3, 5, 1, 0, 0]);
}

#[test]
fn more_goes_out_only_until_all_is_answered() {
    let mut queue = Queue::growing();
    let _waiting = ["a", "b"].map(|name| join_for(&mut queue, name, Size::Unknown));
    let first = send_all(&mut queue);
    queue.saw(10);
    queue.end(UnderWay::of(&first[0]));
    let _waiting = a_thousand_unknown(&mut queue);
    assert_eq!(send_all(&mut queue).len(), 1);
}

#[test]
fn an_error_lets_no_more_out() {
    let mut queue = Queue::growing();
    let _waiting = a_thousand_unknown(&mut queue);
    let mut under_way = send_all(&mut queue);
    queue.saw(10);
    under_way.extend(send_all(&mut queue));
    queue.narrow();
    queue.end(UnderWay::of(&under_way[0]));
    assert!(send_all(&mut queue).is_empty());
}

#[test]
fn large_values_never_widen_the_window() {
    let mut queue = Queue::default();
    let _waiting: Vec<_> = (0..100)
        .map(|n| join_for(&mut queue, &n.to_string(), Size::Large(LONGEST)))
        .collect();
    let _under_way = send_all(&mut queue);
    queue.saw(10);
    assert!(send_all(&mut queue).is_empty());
}
