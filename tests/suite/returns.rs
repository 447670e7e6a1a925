//! What of a return value is stored, and what the attribute leaves as it was.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_runtime::{Cache, ErrorKind, Seen, observe, read_through};

use crate::support::Server;

type Alias<T> = Result<T, String>;
type Unit = ();

#[tokio::test]
async fn only_ok_is_stored_under_any_alias_of_result() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[read_through]
    async fn odd(n: u32) -> Alias<u32> {
        RUNS.fetch_add(1, Relaxed);
        if n.is_multiple_of(2) {
            return Err("even".to_owned());
        }
        Ok(n)
    }

    Cache::in_memory()
        .scope(async {
            assert_eq!(odd(2).await, Err("even".to_owned()));
            assert_eq!(odd(2).await, Err("even".to_owned()));
            assert_eq!(RUNS.load(Relaxed), 2);
            assert_eq!(odd(3).await, Ok(3));
            assert_eq!(odd(3).await, Ok(3));
            assert_eq!(RUNS.load(Relaxed), 3);
        })
        .await;
}

#[tokio::test]
async fn absence_is_not_stored_unless_asked_for() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[read_through]
    async fn passed(some: bool) -> Option<u32> {
        some.then(|| RUNS.fetch_add(1, Relaxed))
            .or_else(|| (RUNS.fetch_add(1, Relaxed) > 99).then_some(0))
    }
    #[read_through]
    async fn passed_in_result(some: bool) -> Alias<Option<u32>> {
        Ok(passed::uncached(some).await)
    }
    #[read_through(none = true)]
    async fn stored(some: bool) -> Alias<Option<u32>> {
        Ok(passed::uncached(some).await)
    }

    let cache = Cache::in_memory();
    cache
        .scope(async {
            for call in [false, false] {
                assert_eq!(passed(call).await, None);
                assert_eq!(passed_in_result(call).await, Ok(None));
            }
            assert_eq!(RUNS.swap(0, Relaxed), 4);
            assert_eq!(passed(true).await, passed(true).await);
            assert_eq!(passed_in_result(true).await, passed_in_result(true).await);
            assert_eq!(RUNS.swap(0, Relaxed), 2);
            assert_eq!(stored(false).await, Ok(None));
            assert_eq!(stored(false).await, Ok(None));
            assert_eq!(RUNS.load(Relaxed), 1);
            let raw = cache.get::<serde_json::Value>(stored::key(false)).await;
            assert_eq!(raw.unwrap(), Some(serde_json::Value::Null));
        })
        .await;
}

#[tokio::test]
async fn a_stored_null_is_nothing_to_a_function_that_does_not_store_absence() {
    #[read_through]
    async fn find(n: u32) -> Option<u32> {
        Some(n)
    }

    let cache = Cache::in_memory();
    cache
        .scope(async {
            cache.set(find::key(1), &(), None).await.unwrap();
            assert_eq!(find(1).await, Some(1));
            assert_eq!(find::peek(1).await.unwrap(), Some(1));
        })
        .await;
}

#[tokio::test]
async fn values_that_look_empty_are_values() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    macro_rules! returns {
        ($($name:ident: $type:ty = $value:expr),*) => {$(
            #[read_through]
            async fn $name() -> $type {
                RUNS.fetch_add(1, Relaxed);
                $value
            }
        )*};
    }
    returns!(
        zero: u8 = 0,
        text: String = String::new(),
        list: Vec<u8> = Vec::new(),
        no: bool = false,
        shared: Arc<String> = Arc::default(),
        bytes: [u8; 2] = [0, 0]
    );
    #[read_through(cache_unit)]
    async fn unit() -> Unit {
        RUNS.fetch_add(1, Relaxed);
    }
    #[read_through(cache_unit)]
    async fn nothing_written() {
        RUNS.fetch_add(1, Relaxed);
    }

    Cache::in_memory()
        .scope(async {
            for _ in 0..2 {
                assert_eq!(zero().await, 0);
                assert_eq!(text().await, "");
                assert_eq!(list().await, [0_u8; 0]);
                assert!(!no().await);
                unit().await;
                assert_eq!(*shared().await, "");
                assert_eq!(bytes().await, [0, 0]);
                nothing_written().await;
            }
            assert_eq!(RUNS.load(Relaxed), 8);
        })
        .await;
}

/// An error that must stay on its thread.
#[derive(Debug)]
struct Local(#[expect(dead_code)] Rc<u8>);

#[read_through]
async fn fails_locally(n: u8) -> Result<u8, Local> {
    tokio::task::yield_now().await;
    if n == 0 {
        Err(Local(Rc::new(n)))
    } else {
        Ok(n)
    }
}

#[read_through]
async fn fails_with_anything(n: u8) -> Result<u8, Box<dyn std::error::Error>> {
    tokio::task::yield_now().await;
    Ok(n)
}

#[read_through(near)]
async fn fails_locally_and_is_near(n: u8) -> Result<u8, Local> {
    tokio::task::yield_now().await;
    Ok(n)
}

struct Square;

impl Square {
    #[read_through(key = "n", near)]
    async fn of(&self, n: u8) -> Result<u8, Local> {
        tokio::task::yield_now().await;
        Ok(n * n)
    }
}

#[test]
fn a_function_that_was_send_stays_send() {
    fn is_send<T: Send>(future: T) {
        drop(future);
    }
    is_send(fails_locally(1));
    is_send(fails_with_anything(1));
    is_send(fails_locally_and_is_near(1));
    is_send(Square.of(1));
}

#[tokio::test]
async fn an_error_without_any_bound_comes_through() {
    Cache::in_memory()
        .scope(async {
            assert!(fails_locally(0).await.is_err());
            assert_eq!(fails_locally(1).await.unwrap(), 1);
            assert_eq!(fails_with_anything(1).await.unwrap(), 1);
        })
        .await;
}

#[tokio::test]
async fn an_absence_that_is_put_lives_as_long_as_one_that_was_loaded() {
    #[read_through(key = "id", ttl = 3600, none = "30s")]
    async fn maybe(id: u64) -> Option<u64> {
        Some(id).filter(|id| *id > 0)
    }

    let server = Server::start();
    let cache = server.patient();
    let life = || server.cli(&["TTL", &maybe::key(1)]).parse::<u64>().unwrap();
    cache
        .scope(async {
            maybe::put(1, &None).await.unwrap();
            assert_eq!(maybe(1).await, None, "it is stored");
            assert!(life() <= 30, "{}", life());
            maybe::put(1, &Some(7)).await.unwrap();
            assert_eq!(maybe(1).await, Some(7));
            assert!(life() > 30, "{}", life());
        })
        .await;
}

#[tokio::test]
async fn what_is_put_is_not_asked_of_store_if_and_an_absence_that_is_not_kept_forgets() {
    #[read_through(key = "id", ttl = 3600, store_if = |id: &u64| *id > 100)]
    async fn maybe(id: u64) -> Option<u64> {
        Some(id)
    }

    let server = Server::start();
    let cache = server.patient();
    let calls = async {
        maybe::put(1, &7).await.unwrap();
        assert_eq!(observe(maybe(1)).await, (Some(7), Seen::Stored));
        let life: u64 = server.cli(&["TTL", &maybe::key(1)]).parse().unwrap();
        assert!((3500..=3600).contains(&life), "{life}");
        maybe::put(1, &None).await.unwrap();
        assert_eq!(maybe::peek(1).await.unwrap(), None);
        assert_eq!(observe(maybe(1)).await, (Some(1), Seen::Loaded));
    };
    cache.scope(calls).await;
    Cache::in_memory()
        .scope(async {
            maybe::put(1, &7).await.unwrap();
            assert_eq!(observe(maybe(1)).await, (Some(7), Seen::Stored));
            maybe::put(1, &None).await.unwrap();
            assert_eq!(observe(maybe(1)).await, (Some(1), Seen::Loaded));
        })
        .await;
}

#[tokio::test]
async fn a_stored_none_peeks_as_what_is_not_stored() {
    #[read_through(key = "id", none = true)]
    async fn nobody(id: u64) -> Option<u64> {
        Some(id).filter(|_| false)
    }

    let calls = async {
        assert_eq!(nobody::peek(1).await.unwrap(), None, "nothing is stored");
        assert_eq!(observe(nobody(1)).await, (None, Seen::Loaded));
        assert_eq!(observe(nobody(1)).await, (None, Seen::Stored));
        assert_eq!(nobody::peek(1).await.unwrap(), None);
    };
    Cache::in_memory().scope(calls).await;
}

#[tokio::test]
async fn what_is_put_as_the_function_returns_it_is_what_is_inside() {
    #[read_through(key = "id")]
    async fn fallible(id: u64) -> Result<u64, String> {
        Err(id.to_string())
    }
    #[read_through(key = "id", none = true)]
    async fn both(id: u64) -> Result<Option<u64>, String> {
        Err(id.to_string())
    }

    let cache = Cache::in_memory();
    cache
        .scope(async {
            fallible::put(1, &Ok(7)).await.unwrap();
            assert_eq!(fallible(1).await, Ok(7));
            both::put(1, &Ok(None)).await.unwrap();
            assert_eq!(both(1).await, Ok(None));
            both::put(1, &Ok(Some(7))).await.unwrap();
            assert_eq!(both::peek(1).await.unwrap(), Some(7));
            let error = fallible::put(1, &Err("no".to_owned())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode);
            assert!(error.to_string().contains("`Err`"), "{error}");
            assert_eq!(fallible(1).await, Ok(7), "it is as it was");
        })
        .await;
}
