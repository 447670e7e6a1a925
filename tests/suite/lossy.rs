//! A hit is what the miss was: a value that comes back as another one is returned and not stored.

#![allow(dead_code, reason = "most fields are there to be compared")]

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_runtime::{Cache, ErrorKind, Seen, observe, read_through};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::support::{Server, in_own_process, is_own_process};

/// The three ways in which the compiler knows a type.
macro_rules! flavours {
    ($($(#[$meta:meta])* $kind:ident $name:ident $body:tt $(; $semicolon:tt)?)*) => {
        mod equal {
            use super::*;
            $(#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] $(#[$meta])* pub $kind $name $body)*
        }
        mod shown {
            use super::*;
            $(#[derive(Clone, Debug, Serialize, Deserialize)] $(#[$meta])* pub $kind $name $body)*
        }
        mod bare {
            use super::*;
            $(#[derive(Clone, Serialize, Deserialize)] $(#[$meta])* pub $kind $name $body)*
        }
    };
}

fn five() -> u8 {
    5
}

fn is_zero(of: &u8) -> bool {
    *of == 0
}

flavours! {
    struct Skipped {
        pub id: u64,
        #[serde(skip_serializing, default)]
        pub secret: String,
    }
    struct NotRead {
        pub id: u64,
        #[serde(skip_deserializing)]
        pub total: u64,
    }
    struct OtherDefault {
        #[serde(skip_serializing_if = "is_zero", default = "five")]
        pub count: u8,
    }
    struct Renamed {
        #[serde(rename(serialize = "one", deserialize = "two"), default)]
        pub field: u8,
    }
    enum Shape {
        Line { #[serde(skip_serializing, default)] length: u8, width: u8 },
        Dot,
    }
    #[serde(untagged)]
    enum Paid {
        Card { amount: u8 },
        Voucher { amount: u8, code: u8 },
    }
    struct Aliased {
        #[serde(alias = "old", alias = "older")]
        pub new: u8,
        #[serde(alias = "was", skip_serializing_if = "Option::is_none", default)]
        pub is: Option<u8>,
    }
    #[serde(tag = "kind", content = "of")]
    enum Adjacent {
        Nothing,
        Line { length: u8 },
    }
    #[serde(tag = "kind")]
    enum Internal {
        Nothing,
        Line { length: u8 },
    }
    struct Flat {
        pub id: u8,
        #[serde(flatten)]
        pub more: HashMap<String, u8>,
    }
    #[serde(default)]
    struct Defaulted {
        pub id: u8,
    }
    #[serde(transparent)]
    struct Transparent {
        pub of: Vec<u8>,
    }
    enum Known {
        Known,
        #[serde(other)]
        Unknown,
    }
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Strict {
        pub first_name: String,
    }
}

macro_rules! defaults {
    ($($module:ident)*) => {$(
        impl Default for $module::Defaulted {
            fn default() -> Self {
                Self { id: 9 }
            }
        }
    )*};
}
defaults!(equal shown bare);

/// How the second of two calls is answered: a stored value is a hit.
macro_rules! second_call {
    ($cache:expr, $type:ty, $value:expr) => {{
        #[read_through(name = "value", key = (), ttl = 60)]
        async fn load() -> $type {
            $value
        }
        let cache: &Cache = $cache;
        cache.scope(load::invalidate()).await.unwrap();
        let _ = cache.scope(load()).await;
        cache.scope(observe(load())).await.1
    }};
}

macro_rules! each_flavour {
    ($seen:expr, $caches:expr, $($type:ident = $value:expr;)*) => {
        for cache in $caches {
            $(
                { use equal::*; assert_eq!(second_call!(cache, $type, $value), $seen, "equal: {}", stringify!($value)); }
                { use shown::*; assert_eq!(second_call!(cache, $type, $value), $seen, "shown: {}", stringify!($value)); }
                { use bare::*; assert_eq!(second_call!(cache, $type, $value), $seen, "bare: {}", stringify!($value)); }
            )*
        }
    };
}

#[tokio::test]
async fn values_that_come_back_changed_are_not_stored() {
    let server = Server::start();
    each_flavour! {
        Seen::Loaded, [&server.patient(), &Cache::in_memory()],
        Skipped = Skipped { id: 1, secret: "s".to_owned() };
        NotRead = NotRead { id: 1, total: 2 };
        OtherDefault = OtherDefault { count: 0 };
        Renamed = Renamed { field: 1 };
        Shape = Shape::Line { length: 1, width: 2 };
        Paid = Paid::Voucher { amount: 1, code: 2 };
    }
    assert_eq!(server.keys(), [""; 0]);
}

#[tokio::test]
async fn values_that_come_back_equal_are_stored() {
    let server = Server::start();
    each_flavour! {
        Seen::Stored, [&server.patient(), &Cache::in_memory()],
        OtherDefault = OtherDefault { count: 1 };
        NotRead = NotRead { id: 1, total: 0 };
        Shape = Shape::Dot;
        Paid = Paid::Card { amount: 1 };
        Aliased = Aliased { new: 1, is: Some(1) };
        Aliased = Aliased { new: 1, is: None };
        Adjacent = Adjacent::Nothing;
        Adjacent = Adjacent::Line { length: 1 };
        Internal = Internal::Nothing;
        Internal = Internal::Line { length: 1 };
        Flat = Flat { id: 1, more: (0..50).map(|n| (n.to_string(), n)).collect() };
        Defaulted = Defaulted { id: 1 };
        Transparent = Transparent { of: vec![1, 2] };
        Known = Known::Unknown;
        Known = Known::Known;
        Strict = Strict { first_name: "x".to_owned() };
    }
}

#[tokio::test]
async fn a_skipped_field_is_found_at_any_depth() {
    use bare::Skipped;

    #[derive(Serialize, Deserialize)]
    enum Outer {
        Newtype(Box<Skipped>),
        Tuple(u8, Option<Arc<Skipped>>),
        Named { of: HashMap<String, Vec<Skipped>> },
    }
    fn inner() -> Skipped {
        Skipped {
            id: 1,
            secret: "s".to_owned(),
        }
    }

    let cache = Cache::in_memory();
    for seen in [
        second_call!(&cache, Outer, Outer::Newtype(Box::new(inner()))),
        second_call!(&cache, Outer, Outer::Tuple(1, Some(Arc::new(inner())))),
        second_call!(
            &cache,
            Outer,
            Outer::Named {
                of: [("a".to_owned(), vec![inner()])].into()
            }
        ),
        second_call!(
            &cache,
            Result<Option<(u8, [Skipped; 1])>, String>,
            Ok(Some((1, [inner()])))
        ),
    ] {
        assert_eq!(seen, Seen::Loaded);
    }
}

#[tokio::test]
async fn unordered_values_are_stored() {
    #[derive(Serialize, Deserialize)]
    struct Bare<T>(T);
    #[derive(Debug, Serialize, Deserialize)]
    struct Shown<T>(T);

    fn map() -> HashMap<u32, f32> {
        (0..=255_u8)
            .map(|n| (n.into(), f32::from(n) / 3.0))
            .collect()
    }
    fn set() -> HashSet<String> {
        (0..500).map(|n| format!("{n:x}")).collect()
    }

    let server = Server::start();
    for cache in [&server.patient(), &Cache::in_memory()] {
        for seen in [
            second_call!(cache, HashMap<u32, f32>, map()),
            second_call!(cache, HashSet<String>, set()),
            second_call!(cache, Bare<HashMap<u32, f32>>, Bare(map())),
            second_call!(cache, Bare<HashSet<String>>, Bare(set())),
            second_call!(cache, Shown<HashMap<u32, f32>>, Shown(map())),
            second_call!(cache, Shown<HashSet<String>>, Shown(set())),
        ] {
            assert_eq!(seen, Seen::Stored);
        }
    }
}

#[tokio::test]
async fn numbers_of_any_size_are_stored() {
    let cache = Cache::in_memory();
    for seen in [
        second_call!(&cache, u128, u128::MAX),
        second_call!(&cache, i128, i128::MIN),
        second_call!(&cache, f32, 0.1),
        second_call!(&cache, f64, -0.0),
        second_call!(&cache, HashMap<i64, char>, [(i64::MIN, '\u{0}')].into()),
        second_call!(&cache, Vec<Option<()>>, vec![None, None]),
        second_call!(&cache, Option<Option<u8>>, Some(Some(1))),
    ] {
        assert_eq!(seen, Seen::Stored);
    }
}

#[tokio::test]
async fn values_of_almost_the_limit_are_stored() {
    #[derive(Serialize, Deserialize)]
    struct Bare(Vec<String>);

    let server = Server::start();
    fn lines() -> Vec<String> {
        (0..9000).map(|n| format!("{n:0100}")).collect()
    }
    for cache in [&server.patient(), &Cache::in_memory()] {
        assert_eq!(second_call!(cache, Bare, Bare(lines())), Seen::Stored);
        assert_eq!(second_call!(cache, Vec<String>, lines()), Seen::Stored);
    }
}

#[tokio::test]
async fn present_values_written_as_null_are_not_stored() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype<T>(T);

    let cache = Cache::in_memory();
    for seen in [
        second_call!(&cache, Vec<Option<()>>, vec![Some(())]),
        second_call!(&cache, Vec<Option<Nothing>>, vec![Some(Nothing)]),
        second_call!(&cache, (u8, Option<Newtype<()>>), (1, Some(Newtype(())))),
        second_call!(&cache, Newtype<Option<Option<u8>>>, Newtype(Some(None))),
        second_call!(
            &cache,
            Vec<Option<serde_json::Value>>,
            vec![Some(serde_json::Value::Null)]
        ),
        second_call!(&cache, Vec<f32>, vec![1.0, f32::NAN]),
        second_call!(&cache, HashMap<u8, Option<f64>>, [(1, Some(f64::INFINITY))].into()),
        second_call!(&cache, Vec<Option<f64>>, vec![Some(f64::NEG_INFINITY)]),
    ] {
        assert_eq!(seen, Seen::Loaded);
    }
}

/// Rounds each time it is written, by hand.
mod rounding {
    use super::*;

    pub fn serialize<S: serde::Serializer>(of: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(of.round())
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        f64::deserialize(deserializer)
    }
}

#[tokio::test]
async fn custom_forms_that_round_are_not_stored() {
    #[derive(PartialEq, Serialize, Deserialize)]
    struct Equal(#[serde(with = "rounding")] f64);
    #[derive(Debug, Serialize, Deserialize)]
    struct Shown(#[serde(with = "rounding")] f64);
    #[derive(Serialize, Deserialize)]
    struct Bare(#[serde(with = "rounding")] f64);

    let cache = Cache::in_memory();
    assert_eq!(second_call!(&cache, Equal, Equal(1.5)), Seen::Loaded);
    assert_eq!(second_call!(&cache, Shown, Shown(1.5)), Seen::Loaded);
    // As the guide says, nothing can see it here.
    assert_eq!(second_call!(&cache, Bare, Bare(1.5)), Seen::Stored);
    assert_eq!(second_call!(&cache, Equal, Equal(2.0)), Seen::Stored);
    assert_eq!(second_call!(&cache, Shown, Shown(2.0)), Seen::Stored);
}

#[tokio::test]
async fn converted_types_are_compared_as_themselves() {
    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    #[serde(into = "u8", from = "u8")]
    struct Into8(u16);
    impl From<Into8> for u8 {
        fn from(of: Into8) -> Self {
            of.0 as Self
        }
    }
    impl From<u8> for Into8 {
        fn from(of: u8) -> Self {
            Self(of.into())
        }
    }
    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    struct Even(u64);
    impl TryFrom<String> for Even {
        type Error = String;
        fn try_from(of: String) -> Result<Self, String> {
            let of: u64 = of.parse().map_err(|_| "no number")?;
            of.is_multiple_of(2)
                .then_some(Self(of))
                .ok_or("odd".to_owned())
        }
    }
    impl From<Even> for String {
        fn from(of: Even) -> Self {
            of.0.to_string()
        }
    }

    let cache = Cache::in_memory();
    assert_eq!(second_call!(&cache, Into8, Into8(255)), Seen::Stored);
    assert_eq!(second_call!(&cache, Into8, Into8(256)), Seen::Loaded);
    assert_eq!(second_call!(&cache, Even, Even(2)), Seen::Stored);
    assert_eq!(second_call!(&cache, Even, Even(3)), Seen::Loaded);
}

/// Written by a serializer of its own, a NaN has a form that comes back.
#[tokio::test]
async fn values_not_equal_to_themselves_are_compared() {
    mod text {
        use super::*;

        pub fn serialize<S: serde::Serializer>(of: &f64, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(of)
        }

        pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
            let text = String::deserialize(d)?;
            text.parse().map_err(serde::de::Error::custom)
        }
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Measured {
        #[serde(with = "text")]
        of: f64,
        #[serde(skip_serializing, default)]
        by: u8,
    }

    let cache = Cache::in_memory();
    fn measured(by: u8) -> Measured {
        Measured { of: f64::NAN, by }
    }
    assert_eq!(second_call!(&cache, Measured, measured(0)), Seen::Stored);
    assert_eq!(second_call!(&cache, Measured, measured(1)), Seen::Loaded);
}

#[tokio::test]
async fn lossy_functions_store_changed_values() {
    use bare::Skipped;

    #[read_through(key = (), lossy)]
    async fn user() -> Skipped {
        Skipped {
            id: 7,
            secret: "s".to_owned(),
        }
    }
    #[read_through(key = (), lossy)]
    async fn rates() -> Vec<Option<f64>> {
        vec![Some(f64::NAN), Some(1.0)]
    }
    #[read_through(key = (), lossy)]
    async fn rate() -> f64 {
        f64::NAN
    }
    #[read_through(key = (), lossy)]
    async fn nobody() -> Option<u8> {
        None
    }
    #[read_through(key = (), lossy = false)]
    async fn checked() -> Skipped {
        user::uncached().await
    }

    let calls = async {
        assert_eq!(user().await.secret, "s");
        let (hit, seen) = observe(user()).await;
        assert_eq!((hit.id, hit.secret.as_str(), seen), (7, "", Seen::Stored));
        rates().await;
        assert_eq!(
            observe(rates()).await,
            (vec![None, Some(1.0)], Seen::Stored)
        );
        // What no hit can read is not stored in any case.
        rate().await;
        assert_eq!(observe(rate()).await.1, Seen::Loaded);
        nobody().await;
        assert_eq!(observe(nobody()).await.1, Seen::Loaded);
        checked().await;
        assert_eq!(observe(checked()).await.1, Seen::Loaded);
        user::put(&Skipped {
            id: 8,
            secret: "s".to_owned(),
        })
        .await
        .unwrap();
        assert_eq!(observe(user()).await.0.id, 8);
    };
    Cache::in_memory().scope(calls).await;
}

fn is_encode<T: Debug>(result: Result<T, cache_runtime::Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    error.to_string()
}

#[tokio::test]
async fn put_compares_values_like_a_load() {
    type Alias = Result<bare::Skipped, String>;
    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    struct Half(#[serde(with = "rounding")] f64);

    macro_rules! functions {
        ($($name:ident -> $type:ty;)*) => {$(
            #[read_through(key = ())]
            async fn $name() -> $type {
                unreachable!()
            }
        )*};
    }
    functions! {
        whole -> Half;
        fallible -> Result<Half, String>;
        optional -> Option<Half>;
        both -> Result<Option<Half>, String>;
        alias -> Alias;
    }

    let calls = async {
        let (lost, kept) = (Half(1.5), Half(2.0));
        is_encode(whole::put(&lost).await);
        is_encode(fallible::put(&lost).await);
        is_encode(fallible::put(&Ok(lost.clone())).await);
        is_encode(optional::put(&lost).await);
        is_encode(optional::put(&Some(lost.clone())).await);
        is_encode(both::put(&lost).await);
        is_encode(both::put(&Some(lost.clone())).await);
        is_encode(both::put(&Ok(Some(lost.clone()))).await);
        let secret = bare::Skipped {
            id: 1,
            secret: "s".to_owned(),
        };
        let told = is_encode(alias::put(&secret).await);
        assert!(told.contains("`secret` of `Skipped`"), "{told}");
        assert!(told.contains("`lossy`"), "{told}");
        whole::put(&kept).await.unwrap();
        fallible::put(&kept).await.unwrap();
        optional::put(&kept).await.unwrap();
        both::put(&Some(kept.clone())).await.unwrap();
        assert!(whole().await == kept && both().await == Ok(Some(kept)));
    };
    Cache::in_memory().scope(calls).await;
}

#[tokio::test]
async fn set_refuses_what_json_lacks() {
    let server = Server::start();
    for cache in [&server.patient(), &Cache::in_memory()] {
        is_encode(cache.set("a", &f64::NAN, None).await);
        is_encode(cache.set("a", &vec![Some(())], None).await);
        cache.set("a", &None::<u8>, None).await.unwrap();
        assert_eq!(cache.get::<Option<u8>>("a").await.unwrap(), Some(None));
        let error = Err::<u8, _>("no".to_owned());
        cache.set("a", &error, None).await.unwrap();
        assert_eq!(
            cache.get::<Result<u8, String>>("a").await.unwrap(),
            Some(error)
        );
    }
}

#[tokio::test]
async fn followers_of_a_lossy_value_load_for_themselves() {
    use bare::Skipped;

    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(key = (), ttl = 60)]
    async fn user() -> Skipped {
        BODIES.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        Skipped {
            id: 7,
            secret: "s".to_owned(),
        }
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        BODIES.store(0, Relaxed);
        let users = cache.scope(join_all((0..20).map(|_| user()))).await;
        assert!(users.iter().all(|user| user.secret == "s"));
        assert_eq!(BODIES.load(Relaxed), 20);
    }
}

#[tokio::test]
async fn a_lossy_refresh_leaves_the_old_value() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        id: u64,
        #[serde(skip_serializing, default)]
        note: String,
    }
    #[read_through(key = (), ttl = "50ms", stale = "1h")]
    async fn named() -> Named {
        let id = BODIES.fetch_add(1, Relaxed);
        let note = if id == 0 { "" } else { "lost" };
        let note = note.to_owned();
        Named { id, note }
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        BODIES.store(0, Relaxed);
        cache
            .scope(async {
                let first = named().await;
                tokio::time::sleep(Duration::from_millis(60)).await;
                cache.advance(Duration::from_millis(60));
                assert_eq!(observe(named()).await, (first.clone(), Seen::Stale));
                while cache.stats().functions()[0].unstorable == 0 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(named().await, first);
            })
            .await;
    }
}

#[test]
fn debug_texts_are_compared_now_and_then() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Hidden {
        id: u64,
        #[serde(skip)]
        at: u64,
    }
    #[read_through(key = "id", ttl = 60)]
    fn hidden(id: u64, at: u64) -> Hidden {
        Hidden { id, at }
    }

    let cache = Cache::in_memory();
    let _inside = cache.enter();
    let unstorable = || cache.stats().functions()[0].unstorable;
    hidden(0, 1);
    assert_eq!(unstorable(), 1);
    // The first sixteen stores, and then one in 64.
    for id in 1..16 {
        hidden(id, 0);
    }
    for id in 16..200 {
        hidden(id, 1);
    }
    assert_eq!(unstorable(), 1 + 3);
}

const LOGGED: &str = "lossy::a_lossy_value_is_logged_once";

#[test]
fn a_lossy_value_is_logged_once() {
    #[read_through(name = "logged", key = (), ttl = 60)]
    fn user() -> bare::Skipped {
        bare::Skipped {
            id: 7,
            secret: "the-secret".to_owned(),
        }
    }

    if !is_own_process(LOGGED) {
        let printed = in_own_process(LOGGED, &[]);
        let lines: Vec<_> = printed
            .lines()
            .filter(|line| line.contains("logged\""))
            .collect();
        let [line] = lines[..] else {
            panic!("not one line: {printed}");
        };
        for text in ["WARN", "Skipped", "`secret`", "`lossy`"] {
            assert!(line.contains(text), "{text}: {line}");
        }
        assert!(!printed.contains("the-secret"), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let _inside = Cache::in_memory().enter();
    for _ in 0..3 {
        user();
    }
}

#[tokio::test]
async fn times_and_dates_are_stored() {
    use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        utc: DateTime<Utc>,
        local: DateTime<FixedOffset>,
        date: NaiveDate,
        time: NaiveDateTime,
        seconds: Duration,
    }
    #[derive(Serialize, Deserialize)]
    struct Bare(Times);

    fn times() -> Times {
        let local = DateTime::parse_from_rfc3339("2026-11-30T21:40:00.123456789+02:00").unwrap();
        Times {
            utc: local.to_utc(),
            local,
            date: local.date_naive(),
            time: local.naive_local(),
            seconds: Duration::new(7, 5),
        }
    }
    #[read_through(key = ())]
    async fn equal() -> Times {
        times()
    }
    #[read_through(key = ())]
    async fn bare() -> Bare {
        Bare(times())
    }

    Cache::in_memory()
        .scope(async {
            equal().await;
            assert_eq!(observe(equal()).await, (times(), Seen::Stored));
            bare().await;
            let (Bare(read), seen) = observe(bare()).await;
            assert_eq!((read, seen), (times(), Seen::Stored));
        })
        .await;
}
