//! An `Err` and a `None` are not stored, whatever stands between them and the signature.

use std::borrow::Cow;
use std::fmt::Debug;
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cache_runtime::{Cache, Seen, observe, read_through};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::Server;

#[read_through(key = "_id", ttl = 60)]
async fn through<T: Serialize + DeserializeOwned>(_id: u64, value: impl FnOnce() -> T) -> T {
    ready(value()).await
}

#[read_through(key = "_id", ttl = 60, none = true)]
async fn with_none<T: Serialize + DeserializeOwned>(_id: u64, value: impl FnOnce() -> T) -> T {
    ready(value()).await
}

#[read_through(key = "_id", ttl = 60)]
async fn timed<T, E>(_id: u64, value: impl FnOnce() -> Result<T, E>) -> Result<T, E>
where
    T: Serialize + DeserializeOwned,
{
    ready(value()).await
}

trait Source {
    type Found: Serialize + DeserializeOwned;
    fn find(&self) -> Self::Found;
}

struct Failing;

impl Source for Failing {
    type Found = Result<u8, String>;
    fn find(&self) -> Self::Found {
        Err("no".to_owned())
    }
}

#[read_through(key = (), ttl = 60)]
async fn associated<S: Source>(source: &S) -> S::Found {
    source.find()
}

/// How the second of two calls with this value is answered.
async fn second<T, V>(cache: &Cache, value: V) -> Seen
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
    V: Fn() -> T,
{
    // Each with a key of its own: two types under one would replace each other's values.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Relaxed);
    cache.scope(through(id, &value)).await;
    let (returned, seen) = cache.scope(observe(through(id, &value))).await;
    assert_eq!(returned, value());
    seen
}

type Text = Result<u8, String>;

#[tokio::test]
async fn an_error_behind_a_type_is_not_stored() {
    let server = Server::start();
    let error = || Text::Err("no".to_owned());
    for cache in [&server.patient(), &Cache::in_memory()] {
        for seen in [
            second(cache, error).await,
            second(cache, || Arc::new(error())).await,
            second(cache, || Rc::new(Box::new(error()))).await,
            second(cache, || Some(error())).await,
            second(cache, || Ok::<_, u8>(error())).await,
            second(cache, || Ok::<_, u8>(Some(Arc::new(error())))).await,
            second(cache, || Cow::<'static, Text>::Owned(error())).await,
        ] {
            assert_eq!(seen, Seen::Loaded);
        }
        for _ in 0..2 {
            let (_, seen) = cache.scope(observe(associated(&Failing))).await;
            assert_eq!(seen, Seen::Loaded);
            let timeout = || Ok::<_, ()>(error());
            let (_, seen) = cache.scope(observe(timed(1, timeout))).await;
            assert_eq!(seen, Seen::Loaded, "the answer of `timeout(..)`");
        }
    }
    assert_eq!(server.keys(), [""; 0]);
}

#[tokio::test]
async fn an_absence_behind_a_type_is_not_stored() {
    let server = Server::start();
    for cache in [&server.patient(), &Cache::in_memory()] {
        for seen in [
            second(cache, || None::<u8>).await,
            second(cache, || Box::new(None::<u8>)).await,
            second(cache, || Arc::new(Arc::new(None::<Option<u8>>))).await,
            second(cache, || Ok::<Option<u8>, u8>(None)).await,
            second(cache, || Some(None::<u8>)).await,
        ] {
            assert_eq!(seen, Seen::Loaded);
        }
    }
    assert_eq!(server.keys(), [""; 0]);
}

#[tokio::test]
async fn hidden_absences_are_stored_where_asked_for() {
    let server = Server::start();
    for cache in [&server.patient(), &Cache::in_memory()] {
        for _ in 0..2 {
            cache.scope(with_none(1, || None::<u8>)).await;
        }
        let call = with_none(1, || None::<u8>);
        assert_eq!(cache.scope(observe(call)).await, (None, Seen::Stored));
        // A function that does not store it does not take it for an answer either.
        cache
            .set(through::key::<Option<u8>>(u64::MAX), &(), None)
            .await
            .unwrap();
        let call = through(u64::MAX, || Some(7_u8));
        assert_eq!(cache.scope(observe(call)).await, (Some(7), Seen::Loaded));
    }
}

#[tokio::test]
async fn a_result_inside_of_a_value_is_stored() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(Text);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        last: Text,
        next: Option<u8>,
    }

    let server = Server::start();
    let error = || Text::Err("no".to_owned());
    for cache in [&server.patient(), &Cache::in_memory()] {
        for seen in [
            second(cache, || Text::Ok(1)).await,
            second(cache, || vec![error(), Ok(1)]).await,
            second(cache, || (error(), None::<u8>)).await,
            second(cache, || Newtype(error())).await,
            second(cache, || Named {
                last: error(),
                next: None,
            })
            .await,
        ] {
            assert_eq!(seen, Seen::Stored);
        }
    }
}
