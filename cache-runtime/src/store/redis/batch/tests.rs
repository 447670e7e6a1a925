use super::*;

fn wanted(name: &str) -> Wanted {
    Wanted {
        name: name.to_owned(),
        left: false,
    }
}

fn wait(queue: &mut Queue, name: &str) -> oneshot::Receiver<Result<Found, Error>> {
    match queue.take_turn(wanted(name)) {
        Turn::Wait(answered) | Turn::WaitAndSend(answered) => answered,
        Turn::Alone(_) => panic!("it need not wait"),
    }
}

fn names(batch: &[Waiting]) -> Vec<&str> {
    batch
        .iter()
        .map(|waiting| waiting.wanted.name.as_str())
        .collect()
}

#[test]
fn a_lone_caller_sends_at_once_and_so_does_the_next_one() {
    let mut queue = Queue::default();
    for _ in 0..3 {
        assert!(matches!(queue.take_turn(wanted("a")), Turn::Alone(_)));
        assert!(!queue.end_alone());
    }
}

#[test]
fn those_who_come_meanwhile_go_out_together() {
    let mut queue = Queue::default();
    assert!(matches!(queue.take_turn(wanted("a")), Turn::Alone(_)));
    let waiting: Vec<_> = ["b", "c"]
        .iter()
        .map(|name| wait(&mut queue, name))
        .collect();
    assert!(queue.end_alone(), "somebody must send them");
    let batch = queue.seal().unwrap();
    assert_eq!(names(&batch), ["b", "c"]);
    drop(waiting);
}

#[test]
fn nobody_joins_a_batch_that_is_sealed() {
    let mut queue = Queue {
        last: 2,
        ..Queue::default()
    };
    let _first = wait(&mut queue, "a");
    let sealed = queue.seal().unwrap();
    let _later = wait(&mut queue, "a");
    assert_eq!(names(&sealed), ["a"]);
    assert_eq!(names(&queue.seal().unwrap()), ["a"]);
}

#[test]
fn who_left_is_not_asked_for() {
    let mut queue = Queue {
        last: 2,
        ..Queue::default()
    };
    drop(wait(&mut queue, "a"));
    let _stays = wait(&mut queue, "b");
    assert_eq!(names(&queue.seal().unwrap()), ["b"]);
    drop(wait(&mut queue, "c"));
    assert!(queue.seal().is_none());
    assert_eq!(queue.under_way, 0);
}

#[test]
fn a_batch_has_an_end_and_a_further_one_goes_out_when_many_wait() {
    let mut queue = Queue {
        last: 2,
        ..Queue::default()
    };
    let mut senders = 0;
    let mut waiting = Vec::new();
    for n in 0..1000 {
        match queue.take_turn(wanted(&n.to_string())) {
            Turn::Wait(answered) => waiting.push(answered),
            Turn::WaitAndSend(answered) => {
                senders += 1;
                waiting.push(answered);
            }
            Turn::Alone(_) => panic!("it need not wait"),
        }
    }
    assert_eq!(senders, MOST_BATCHES);
    assert_eq!(queue.seal().unwrap().len(), MOST_KEYS);
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
    assert!(matches!(queue.take_turn(wanted("b")), Turn::Alone(_)));
}
