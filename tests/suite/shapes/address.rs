//! The call as the address of its value, and names that two functions claim.

use std::cell::Cell;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use cache_runtime::{Cache, ErrorKind, Invalidated, Seen, blocking, invalidate, read_through};
use cache_runtime::{observe, refresh, uncached};

use super::{ran, runs, three_steps};
use crate::support::{in_own_process, is_own_process};

#[read_through(ttl = 60)]
async fn load(name: String) -> usize {
    ran(name.len())
}

#[read_through(ttl = 60)]
fn load_sync(name: String) -> usize {
    ran(name.len())
}

#[tokio::test]
async fn a_companion_forgets_by_whatever_stands_for_the_arguments() {
    let call = async || load("bob".into()).await;
    let bob = String::from("bob");
    for invalidate in [
        load::invalidate("bob"),
        load::invalidate(&bob),
        load::invalidate(bob.clone()),
    ] {
        let invalidate = Cell::new(Some(invalidate));
        let once = async || invalidate.take().unwrap().await;
        Cache::in_memory().scope(three_steps(call, once)).await;
    }
    let call = async || load_sync("bob".into());
    let invalidate = async || load_sync::invalidate("bob");
    Cache::in_memory()
        .scope(three_steps(call, invalidate))
        .await;
}

#[tokio::test]
async fn a_call_can_be_made_in_another_way() {
    Cache::in_memory()
        .scope(async {
            let call = || load("bob".into());
            assert_eq!(observe(call()).await, (3, Seen::Loaded));
            assert_eq!(observe(call()).await, (3, Seen::Stored));
            assert_eq!((uncached(call()).await, runs()), (3, 2));
            assert_eq!((refresh(call()).await, runs()), (3, 3));
            let call = || load_sync("bob".into());
            assert_eq!(blocking::observe(call), (3, Seen::Loaded));
            assert_eq!(blocking::observe(call), (3, Seen::Stored));
            assert_eq!((blocking::uncached(call), runs()), (3, 5));
            assert_eq!((blocking::refresh(call), runs()), (3, 6));
        })
        .await;
}

/// A future that says how often it was polled, and would never end.
struct Polled<'a>(&'a Cell<u32>);

impl Future for Polled<'_> {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> {
        self.0.set(self.0.get() + 1);
        Poll::Pending
    }
}

#[tokio::test]
async fn what_is_no_call_is_an_error_that_names_it_and_is_polled_once() {
    let polls = Cell::new(0);
    let error = invalidate(Polled(&polls)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotCached);
    assert!(error.to_string().contains("address::Polled"), "{error}");
    assert_eq!(polls.get(), 1);

    let after = Cell::new(0);
    let given = async {
        tokio::task::yield_now().await;
        after.set(1);
    };
    let error = invalidate(given).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotCached);
    assert_eq!(after.get(), 0);
    assert_eq!(
        invalidate(ready(7)).await.unwrap_err().kind(),
        ErrorKind::NotCached
    );
    let error = blocking::invalidate(|| 7).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotCached);
}

#[tokio::test]
async fn in_memory_what_is_no_call_stands_for_nothing() {
    let polls = Cell::new(0);
    Cache::in_memory()
        .scope(async {
            let absent = invalidate(Polled(&polls)).await.unwrap();
            assert_eq!((absent, polls.get()), (Invalidated::Absent, 1));
            assert_eq!(blocking::invalidate(|| 7).unwrap(), Invalidated::Absent);
        })
        .await;
}

#[tokio::test]
async fn an_address_runs_no_body() {
    Cache::in_memory()
        .scope(async {
            assert_eq!(
                invalidate(load("x".into())).await.unwrap(),
                Invalidated::Absent
            );
            let absent = blocking::invalidate(|| load_sync("x".into())).unwrap();
            assert_eq!((absent, runs()), (Invalidated::Absent, 0));
        })
        .await;
}

mod one {
    #[cache_runtime::read_through(name = "claimed")]
    pub(super) fn claims(id: u64) -> u64 {
        id
    }
}

mod two {
    #[cache_runtime::read_through(name = "claimed")]
    pub(super) fn claims_too(id: u64) -> u64 {
        id
    }
}

const CLAIMED: &str = "shapes::address::two_functions_of_one_name_are_warned_of_once";

#[test]
fn two_functions_of_one_name_are_warned_of_once() {
    if !is_own_process(CLAIMED) {
        let printed = in_own_process(CLAIMED, &[]);
        let warnings: Vec<_> = printed
            .lines()
            .filter(|line| line.contains("WARN"))
            .collect();
        let [warning] = warnings[..] else {
            panic!("not one warning: {printed}");
        };
        assert!(
            warning.contains("`claimed` is the name of two cached functions"),
            "{warning}"
        );
        assert_eq!(
            warning.matches("shapes/address.rs:").count(),
            2,
            "{warning}"
        );
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let cache = Cache::in_memory();
    let _inside = cache.enter();
    for id in 0..3 {
        one::claims(id);
        two::claims_too(id);
    }
}
