use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
        Turn::Wait(waiter) | Turn::WaitAndSend(waiter) => waiter,
        Turn::Alone => panic!("it need not wait"),
    }
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

/// A queue with a lone read on the wire.
fn busy() -> Queue {
    Queue {
        is_alone: true,
        ..Queue::default()
    }
}

#[test]
fn a_lone_read_needs_no_sender() {
    let mut queue = Queue::default();
    for _ in 0..3 {
        assert!(matches!(take_turn(&mut queue, "a"), Turn::Alone));
        queue.end_alone();
    }
}

#[test]
fn reads_of_one_turn_go_together() {
    let mut queue = Queue::default();
    assert!(matches!(take_turn(&mut queue, "a"), Turn::Alone));
    let sends = take_turn(&mut queue, "b");
    assert!(matches!(sends, Turn::WaitAndSend(_)));
    let waits = take_turn(&mut queue, "c");
    assert!(matches!(waits, Turn::Wait(_)));
    let Next::SendLast(batch) = queue.next(false) else {
        panic!("the lone read is still on the wire, and nobody waits for its end");
    };
    assert_eq!(names(&batch), ["b", "c"]);
    let next_turn = take_turn(&mut queue, "d");
    assert!(matches!(next_turn, Turn::WaitAndSend(_)), "another sender");
    assert_eq!(names(&send(&mut queue)), ["d"]);
}

#[test]
fn a_read_is_alone_again_after_the_last_batch() {
    let mut queue = busy();
    let _waits = wait(&mut queue, "a");
    let batch = send(&mut queue);
    queue.end_alone();
    let _waits = wait(&mut queue, "b");
    let second = send(&mut queue);
    for batch in [batch, second] {
        queue.end(UnderWay::of(&batch));
    }
    assert!(matches!(take_turn(&mut queue, "c"), Turn::Alone));
}

#[test]
fn what_a_sender_leaves_keeps_nobody_waiting() {
    let mut queue = Queue::default();
    let waiting: Vec<_> = (0..300)
        .filter_map(|n| match take_turn(&mut queue, &n.to_string()) {
            Turn::Alone => None,
            Turn::Wait(waiter) | Turn::WaitAndSend(waiter) => Some(waiter),
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
    let mut queue = busy();
    let waiting = ["a", "b"].map(|name| wait(&mut queue, name));
    send(&mut queue).answer(Err(ended()));
    for waiter in waiting {
        assert!(pollster::block_on(waiter).is_err());
    }
}

#[test]
fn a_batch_that_is_dropped_keeps_nobody_waiting() {
    let mut queue = busy();
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
    let mut queue = busy();
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
    let mut queue = busy();
    let _first = wait(&mut queue, "a");
    let sealed = send(&mut queue);
    let _later = wait(&mut queue, "a");
    assert_eq!(names(&sealed), ["a"]);
    assert_eq!(names(&send(&mut queue)), ["a"]);
}

#[test]
fn who_left_is_not_asked_for() {
    let mut queue = busy();
    drop(wait(&mut queue, "a"));
    let _stays = wait(&mut queue, "b");
    assert_eq!(names(&send(&mut queue)), ["b"]);
    drop(wait(&mut queue, "c"));
    assert!(matches!(queue.next(false), Next::Done));
    assert_eq!(queue.under_way.batches, 1);
}

#[test]
fn a_batch_has_an_end() {
    let mut queue = busy();
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
    let mut queue = busy();
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
    let turns: Vec<_> = (0..1000)
        .map(|n| take_turn_for(&mut queue, &n.to_string(), size))
        .collect();
    assert!(!turns.iter().any(|turn| matches!(turn, Turn::Alone)));
    let mut sizes = Vec::new();
    loop {
        match queue.next(false) {
            Next::Send(batch) | Next::SendLast(batch) => {
                sizes.push(batch.len());
                assert!(
                    matches!(queue.next(false), Next::MakeRoom(_) | Next::Done)
                        || queue.under_way.room <= MOST_BYTES,
                    "{size:?}"
                );
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

#[test]
fn more_goes_at_once_while_values_turn_out_small() {
    let mut queue = Queue::default();
    let _waiting: Vec<_> = (0..400)
        .map(|n| take_turn_for(&mut queue, &n.to_string(), Size::Unknown))
        .collect();
    let mut sent = Vec::new();
    let all_at_once = |queue: &mut Queue| -> Vec<_> {
        let batch = |queue: &mut Queue| match queue.next(false) {
            Next::Send(batch) | Next::SendLast(batch) => Some(batch),
            _ => None,
        };
        std::iter::from_fn(|| batch(queue)).collect()
    };
    for bytes in [10, 10, 10, LARGE + 1] {
        let batches = all_at_once(&mut queue);
        for batch in &batches {
            queue.end(UnderWay::of(batch));
        }
        queue.saw(bytes * batches[0].len(), batches[0].len());
        sent.push(batches.len());
    }
    sent.push(all_at_once(&mut queue).len());
    assert_eq!(sent, [1, 2, 4, 8, 1]);
}
