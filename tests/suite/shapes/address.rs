//! The call as the address of its value, and names that two functions claim.

use std::cell::Cell;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use cache_runtime::{
    Cache, Error, ErrorKind, Invalidated, Seen, blocking, invalidate, read_through,
};
use cache_runtime::{observe, refresh, uncached};

use super::{ran, runs, three_steps};
use crate::support::runtime;

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
async fn a_mock_in_memory_stands_for_nothing() {
    let polls = Cell::new(0);
    Cache::in_memory()
        .allow_mocks()
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

/// A key that takes an annotated call to be made.
struct Shop;

impl Shop {
    #[read_through(key = "id")]
    fn tenant(&self, id: u64) -> u64 {
        id / 10
    }

    #[read_through(key = (self.tenant(id), id))]
    fn price(&self, id: u64) -> u64 {
        id
    }

    #[read_through(key = (self.tenant(id), id))]
    async fn price_later(&self, id: u64) -> u64 {
        id
    }
}

#[read_through(key = "id", cache = shelf(id))]
fn on_shelf(id: u64) -> u64 {
    id
}

#[read_through(key = "id", cache = shelf(id))]
async fn on_shelf_later(id: u64) -> u64 {
    id
}

fn shelf(id: u64) -> &'static Cache {
    static SHELF: LazyLock<Cache> = LazyLock::new(Cache::in_memory);
    Shop.tenant(id);
    &SHELF
}

#[test]
fn the_call_is_the_address_also_where_its_key_takes_another_call() {
    let _inside = Cache::in_memory().enter();
    for call in [|| Shop.price(7), || on_shelf(7)] {
        let seen = || blocking::observe(call).1;
        assert_eq!([seen(), seen()], [Seen::Loaded, Seen::Stored]);
        assert_eq!(blocking::invalidate(call).unwrap(), Invalidated::Removed);
        assert_eq!([seen(), seen()], [Seen::Loaded, Seen::Stored]);
    }
    let tenant = || blocking::observe(|| Shop.tenant(7)).1;
    assert_eq!(tenant(), Seen::Stored);
}

#[tokio::test]
async fn an_async_call_is_the_address_also_where_its_key_takes_another_call() {
    async fn is_forgotten<F: Future<Output = u64>>(call: impl Fn() -> F) {
        let seen = async || observe(call()).await.1;
        assert_eq!([seen().await, seen().await], [Seen::Loaded, Seen::Stored]);
        assert_eq!(invalidate(call()).await.unwrap(), Invalidated::Removed);
        assert_eq!([seen().await, seen().await], [Seen::Loaded, Seen::Stored]);
    }
    Cache::in_memory()
        .scope(async {
            is_forgotten(|| Shop.price_later(7)).await;
            is_forgotten(|| on_shelf_later(7)).await;
        })
        .await;
}

#[tokio::test]
async fn a_sync_call_is_never_what_an_async_one_is_asked_for() {
    Cache::in_memory()
        .scope(async {
            let mixed = || async {
                load_sync("bob".into());
                load("alice".into()).await
            };
            assert_eq!(observe(mixed()).await, (5, Seen::Loaded));
            assert_eq!(invalidate(mixed()).await.unwrap(), Invalidated::Removed);
            assert_eq!((mixed().await, runs()), (5, 3));
            assert_eq!((refresh(mixed()).await, runs()), (5, 4));
            let none = async { load_sync("bob".into()) };
            let error = invalidate(none).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotCached);
        })
        .await;
}

#[test]
fn an_async_call_is_never_what_a_sync_one_is_asked_for() {
    let _inside = Cache::in_memory().enter();
    let runtime = runtime();
    let none = || runtime.block_on(load("alice".into()));
    let error = blocking::invalidate(none).unwrap_err();
    assert_eq!((error.kind(), runs()), (ErrorKind::NotCached, 1));
    let mixed = || none() + load_sync("bob".into());
    assert_eq!(blocking::observe(mixed), (8, Seen::Loaded));
    assert_eq!(blocking::invalidate(mixed).unwrap(), Invalidated::Removed);
    assert_eq!((blocking::refresh(mixed), runs()), (8, 3));
}

#[tokio::test]
async fn a_companion_takes_nothing_that_a_call_is_asked_for() {
    Cache::in_memory()
        .scope(async {
            load("bob".into()).await;
            let both = async {
                let peeked = load::peek("bob");
                let value = load("bob".into()).await;
                (value, peeked.await.unwrap())
            };
            assert_eq!((refresh(both).await, runs()), ((3, Some(3)), 2));
            let both = || {
                let peeked = load_sync::peek("bob").unwrap();
                (load_sync("bob".into()), peeked)
            };
            assert_eq!((blocking::refresh(both), runs()), ((3, None), 3));
            assert_eq!((blocking::refresh(both), runs()), ((3, Some(3)), 4));
        })
        .await;
}

#[test]
fn what_a_call_is_asked_for_survives_a_key_that_cannot_be_made() {
    #[read_through(key = usize::from(name.parse::<u8>().unwrap()))]
    fn numbered(name: &str) -> usize {
        name.len()
    }
    let _inside = Cache::in_memory().enter();
    let second = || {
        let failed = std::panic::catch_unwind(|| numbered("bob"));
        assert!(failed.is_err());
        load_sync("bob".into())
    };
    load_sync("bob".into());
    assert_eq!((blocking::refresh(second), runs()), (3, 2));
}

fn is_of_several(invalidated: Result<Invalidated, Error>) {
    let error = invalidated.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotCached);
    let text = error.to_string();
    assert!(text.contains("nothing is forgotten"), "{text}");
    assert!(text.contains("address::load"), "{text}");
}

#[tokio::test]
async fn several_calls_at_once_are_no_address() {
    use futures_util::future::{join, join_all, select};

    let call = |name: &str| Box::pin(load(name.into()));
    Cache::in_memory()
        .scope(async {
            assert_eq!(join(call("bob"), call("alice")).await, (3, 5));
            is_of_several(invalidate(join(call("bob"), call("alice"))).await);
            is_of_several(invalidate(join(call("bob"), call("bob"))).await);
            is_of_several(invalidate(join_all(["bob", "alice", "x"].map(call))).await);
            is_of_several(invalidate(select(call("bob"), call("alice"))).await);
            let with_another = join(call("bob"), Shop.price_later(7));
            is_of_several(invalidate(with_another).await);
            assert_eq!(observe(call("bob")).await, (3, Seen::Stored));
            assert_eq!(observe(call("alice")).await, (5, Seen::Stored));
            // A call that needs the first one's value is not reached.
            let in_argument = async { load(load("bob".into()).await.to_string()).await };
            assert_eq!(invalidate(in_argument).await.unwrap(), Invalidated::Removed);
            assert_eq!((observe(call("alice")).await.1, runs()), (Seen::Stored, 2));
        })
        .await;
}

#[test]
fn a_sync_call_after_the_first_is_seen() {
    use std::panic::catch_unwind;

    /// Makes a call on the way out, as a guard might.
    struct AtTheEnd;

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            load_sync("alice".into());
        }
    }

    let _inside = Cache::in_memory().enter();
    let call = |name: &str| load_sync(name.into());
    assert_eq!(call("bob") + call("alice"), 8);
    let goes_on = || {
        assert!(catch_unwind(|| call("bob")).is_err());
        call("alice")
    };
    is_of_several(blocking::invalidate(goes_on));
    let seen = |name| blocking::observe(|| call(name)).1;
    assert_eq!([seen("bob"), seen("alice")], [Seen::Stored; 2]);
    let guarded = || {
        let _guard = AtTheEnd;
        call("bob")
    };
    assert_eq!(blocking::invalidate(guarded).unwrap(), Invalidated::Removed);
    assert_eq!((seen("alice"), runs()), (Seen::Stored, 2));
    // What is behind the first call is not reached.
    call("bob");
    let twice = || call("bob") + call("alice");
    assert_eq!(blocking::invalidate(twice).unwrap(), Invalidated::Removed);
}
