use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot::error::TryRecvError;

use super::super::failure::ended;
use super::*;

fn take_turn(queue: &mut Queue, name: &str) -> Turn {
    take_turn_for(queue, name, Size::Small)
}

fn take_turn_for(queue: &mut Queue, name: &str, size: Size) -> Turn {
    let wanted = Wanted {
        name: OnServer::whole(name),
        left: false,
        size,
    };
    queue.take_turn(wanted, Waker::noop())
}

fn wait(queue: &mut Queue, name: &str) -> Waiter {
    match take_turn(queue, name) {
        Turn::Wait(waiter) | Turn::WaitAndSend(waiter, _) => waiter,
        Turn::Alone(_) => panic!("it need not wait"),
    }
}

fn alone(queue: &mut Queue, name: &str) -> u64 {
    match take_turn(queue, name) {
        Turn::Alone(number) => number,
        _ => panic!("it waits"),
    }
}

fn wait_behind(queue: &mut Queue, name: &str) -> (Waiter, Behind) {
    match take_turn(queue, name) {
        Turn::WaitAndSend(waiter, Some(behind)) => (waiter, behind),
        _ => panic!("it is not the first behind a lone one"),
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

/// A queue on which a wide batch is under way.
fn busy() -> Queue {
    Queue {
        last: 2,
        ..Queue::default()
    }
}

#[test]
fn a_lone_caller_sends_at_once_and_so_does_the_next_one() {
    let mut queue = Queue::default();
    for _ in 0..3 {
        let number = alone(&mut queue, "a");
        queue.end_alone(number);
        assert_eq!(queue.under_way, 0);
    }
}

#[test]
fn those_who_come_meanwhile_go_out_together() {
    let mut queue = Queue::default();
    let number = alone(&mut queue, "a");
    let (_waiting, mut behind) = wait_behind(&mut queue, "b");
    assert!(matches!(take_turn(&mut queue, "c"), Turn::Wait(_)));
    assert!(
        behind
            .end
            .try_recv()
            .is_err_and(|of| of == TryRecvError::Empty)
    );
    queue.end_alone(number);
    assert!(
        behind
            .end
            .try_recv()
            .is_err_and(|of| of == TryRecvError::Closed)
    );
    queue.take_over(&behind);
    assert_eq!(names(&queue.seal().unwrap()), ["b"], "the other one left");
    assert!(queue.seal().is_none());
    assert_eq!(queue.under_way, 0);
}

#[test]
fn a_lone_read_that_does_not_end_is_passed_and_its_end_is_none_of_a_later_one() {
    let mut queue = Queue::default();
    let stuck = alone(&mut queue, "a");
    let (_waiting, behind) = wait_behind(&mut queue, "b");
    queue.take_over(&behind);
    assert_eq!(queue.seal().unwrap().len(), 1);
    assert!(queue.leave());
    let later = alone(&mut queue, "c");
    queue.end_alone(stuck);
    assert_eq!(queue.under_way, 1, "that of the later one");
    let (_waiting, mut behind) = wait_behind(&mut queue, "d");
    queue.end_alone(stuck);
    assert!(
        behind
            .end
            .try_recv()
            .is_err_and(|of| of == TryRecvError::Empty)
    );
    queue.end_alone(later);
    assert!(
        behind
            .end
            .try_recv()
            .is_err_and(|of| of == TryRecvError::Closed)
    );
}

#[test]
fn what_a_sender_leaves_keeps_nobody_waiting() {
    let mut queue = Queue::default();
    let waiting: Vec<_> = (0..300)
        .filter_map(|n| match take_turn(&mut queue, &n.to_string()) {
            Turn::Alone(_) => None,
            Turn::Wait(waiter) | Turn::WaitAndSend(waiter, _) => Some(waiter),
        })
        .collect();
    drop(queue.abandon());
    for waiter in waiting {
        assert!(pollster::block_on(waiter).is_err());
    }
}

#[test]
fn each_gets_the_answer_to_its_own_key() {
    let mut queue = busy();
    let [mut a, gone, mut c] = ["a", "b", "c"].map(|name| wait(&mut queue, name));
    drop(gone);
    let batch = queue.seal().unwrap();
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
    let mut queue = busy();
    let waiting = ["a", "b"].map(|name| wait(&mut queue, name));
    queue.seal().unwrap().answer(Err(ended()));
    for waiter in waiting {
        assert!(pollster::block_on(waiter).is_err());
    }
}

#[test]
fn a_batch_that_is_dropped_keeps_nobody_waiting() {
    let mut queue = busy();
    let waiter = wait(&mut queue, "a");
    drop(queue.seal().unwrap());
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
    let mut queue = busy();
    let mut waiter = wait(&mut queue, "a");
    let batch = queue.seal().unwrap();
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
    let mut queue = busy();
    let _first = wait(&mut queue, "a");
    let sealed = queue.seal().unwrap();
    let _later = wait(&mut queue, "a");
    assert_eq!(names(&sealed), ["a"]);
    assert_eq!(names(&queue.seal().unwrap()), ["a"]);
}

#[test]
fn who_left_is_not_asked_for() {
    let mut queue = busy();
    drop(wait(&mut queue, "a"));
    let _stays = wait(&mut queue, "b");
    assert_eq!(names(&queue.seal().unwrap()), ["b"]);
    drop(wait(&mut queue, "c"));
    assert!(queue.seal().is_none());
    assert_eq!(queue.under_way, 0);
}

#[test]
fn a_batch_has_an_end_and_a_further_one_goes_out_when_many_wait() {
    let mut queue = busy();
    let mut senders = 0;
    let mut waiting = Vec::new();
    for n in 0..1000 {
        match take_turn(&mut queue, &n.to_string()) {
            Turn::Wait(waiter) => waiting.push(waiter),
            Turn::WaitAndSend(waiter, _) => {
                senders += 1;
                waiting.push(waiter);
            }
            Turn::Alone(_) => panic!("it need not wait"),
        }
    }
    assert_eq!(senders, MOST_BATCHES);
    let mut sizes = Vec::new();
    while queue.waiting() > 0 {
        sizes.push(queue.seal().unwrap().len());
    }
    let rest = 1000 % MOST_KEYS;
    assert_eq!(
        sizes,
        [vec![MOST_KEYS; 1000 / MOST_KEYS], vec![rest]].concat()
    );
}

#[test]
fn after_a_burst_a_lone_caller_sends_at_once_again() {
    let mut queue = Queue {
        last: 128,
        ..Queue::default()
    };
    let _answered = wait(&mut queue, "a");
    assert_eq!(queue.seal().unwrap().len(), 1);
    assert!(queue.leave());
    alone(&mut queue, "b");
}

/// Lets a thousand come who expect such values: how many senders there are, and how many keys in each
/// batch.
fn a_thousand_of(size: Size) -> (usize, Vec<usize>) {
    let mut queue = Queue::default();
    let mut senders = 0;
    let mut lone = None;
    let mut waiting = Vec::new();
    for n in 0..1000 {
        match take_turn_for(&mut queue, &n.to_string(), size) {
            Turn::Alone(number) => lone = Some(number),
            Turn::Wait(waiter) => waiting.push(waiter),
            Turn::WaitAndSend(waiter, _) => {
                senders += 1;
                waiting.push(waiter);
            }
        }
    }
    queue.end_alone(lone.unwrap());
    let batches = std::iter::from_fn(|| queue.seal());
    (senders, batches.map(|batch| batch.len()).collect())
}

#[test]
fn large_values_go_out_few_at_a_time_and_one_batch_after_the_other() {
    for (size, keys) in [
        (Size::Large(100_000), 83),
        (Size::Large(1 << 20), 8),
        (Size::Unknown, 8),
        (Size::Large(8 << 20), 1),
        (Size::Large(usize::MAX - 1), 1),
    ] {
        let (senders, batches) = a_thousand_of(size);
        assert_eq!(senders, 1, "{size:?}");
        let (last, full) = batches.split_last().unwrap();
        assert!(full.iter().all(|&of| of == keys), "{size:?}: {batches:?}");
        assert!(*last <= keys, "{size:?}: {batches:?}");
    }
}

#[test]
fn beside_a_large_value_small_ones_wait() {
    let mut queue = Queue::default();
    let large = take_turn_for(&mut queue, "large", Size::Large(1 << 20));
    assert!(matches!(large, Turn::Alone(_)));
    let (_first, behind) = wait_behind(&mut queue, "first");
    assert!(behind.is_heavy);
    for n in 0..200 {
        assert!(matches!(
            take_turn(&mut queue, &n.to_string()),
            Turn::Wait(_)
        ));
    }
}
