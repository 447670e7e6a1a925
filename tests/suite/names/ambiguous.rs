//! Functions that the key does not tell apart: noticed, named, and past the cache.

use cache_runtime::{Cache, ErrorKind, blocking, read_through};

use crate::support::{in_own_process, is_own_process};

/// The lines of this level that a test printed in a process of its own; None inside of that process.
fn lines_of(test: &str, level: &str) -> Option<Vec<String>> {
    if is_own_process(test) {
        tracing_subscriber::fmt().with_ansi(false).init();
        return None;
    }
    let printed = in_own_process(test, &[]);
    let of_level = printed.lines().filter(|line| line.contains(level));
    Some(of_level.map(ToOwned::to_owned).collect())
}

struct Rate {
    call: fn(u64) -> u64,
    peek: fn(u64) -> Option<u64>,
    put: fn(u64, u64) -> Result<(), ErrorKind>,
}

/// Two blocks with a function of the same tokens in the same column, from one call of a macro.
macro_rules! rates {
    ($($factor:expr),*) => {
        [$({
            const FACTOR: u64 = $factor;
            #[read_through(ttl = 60)]
            fn rate(id: u64) -> u64 {
                id * FACTOR
            }
            Rate {
                call: rate,
                peek: |id| rate::peek(id).unwrap(),
                put: |id, value| rate::put(id, &value).map_err(|error| error.kind()),
            }
        }),*]
    };
}

const TWINS: &str = "names::ambiguous::twins_run_without_the_cache";

#[test]
fn twins_run_without_the_cache() {
    if let Some(errors) = lines_of(TWINS, "ERROR") {
        let [error] = &errors[..] else {
            panic!("not one error: {errors:?}");
        };
        assert_eq!(error.matches("names/ambiguous.rs:").count(), 2, "{error}");
        assert!(error.contains("both run without the cache"), "{error}");
        return;
    }
    let _inside = Cache::in_memory().enter();
    let [one, two] = rates!(1, 10);
    // The first is alone until the second is called.
    assert_eq!([(one.call)(1), (one.call)(1)], [1, 1]);
    assert_eq!((one.peek)(1), Some(1));
    for _ in 0..3 {
        assert_eq!([(two.call)(1), (one.call)(1)], [10, 1]);
    }
    let (_, seen) = blocking::observe(|| (one.call)(1));
    assert_eq!(seen, cache_runtime::Seen::Bypassed);
    assert_eq!([(one.peek)(1), (two.peek)(1)], [None, None]);
    assert_eq!((two.put)(2, 20), Err(ErrorKind::NotCached));
    assert_eq!((one.peek)(2), None);
}

trait Kind {
    const NAME: &'static str;
}

#[read_through(key = "id", ttl = 60, near)]
fn title<T: Kind>(id: u64) -> String {
    format!("{} {id}", T::NAME)
}

#[read_through(key = "T, id", skip(E), ttl = 60)]
fn named<T: Kind, E: std::fmt::Debug>(_log: E, id: u64) -> String {
    format!("{} {id}", T::NAME)
}

struct Shop;

trait Catalog<K> {
    fn title(&self, id: u64) -> String;
    fn by_call(&self, fetch: impl Fn() -> u64, id: u64) -> String;
}

impl<K: Kind> Catalog<K> for Shop {
    #[read_through(key = "id", ttl = 60)]
    fn title(&self, id: u64) -> String {
        format!("{} {id}", K::NAME)
    }

    #[read_through(key = "id", ttl = 60)]
    fn by_call(&self, fetch: impl Fn() -> u64, id: u64) -> String {
        format!("{} {} {id}", K::NAME, fetch())
    }
}

const TYPES: &str = "names::ambiguous::types_of_one_path_share_nothing";

#[test]
fn types_of_one_path_share_nothing() {
    if let Some(errors) = lines_of(TYPES, "ERROR") {
        assert_eq!(errors.len(), 4, "{errors:?}");
        for error in errors {
            assert!(error.contains("two types of one path"), "{error}");
            assert!(error.contains("names/ambiguous.rs:"), "{error}");
        }
        return;
    }
    let _inside = Cache::in_memory().enter();
    fn seven() -> u64 {
        7
    }
    type Titles = [fn() -> String; 4];
    let one: Titles = {
        struct Of;
        impl Kind for Of {
            const NAME: &'static str = "one";
        }
        [
            || title::<Of>(1),
            || named::<Of, _>((), 1),
            || Catalog::<Of>::title(&Shop, 1),
            || Catalog::<Of>::by_call(&Shop, seven, 1),
        ]
    };
    let two: Titles = {
        struct Of;
        impl Kind for Of {
            const NAME: &'static str = "two";
        }
        [
            || title::<Of>(1),
            || named::<Of, _>((), 1),
            || Catalog::<Of>::title(&Shop, 1),
            || Catalog::<Of>::by_call(&Shop, seven, 1),
        ]
    };
    for _ in 0..100 {
        assert_eq!(
            one.map(|call| call()),
            ["one 1", "one 1", "one 1", "one 7 1"]
        );
    }
    for _ in 0..100 {
        assert_eq!(
            two.map(|call| call()),
            ["two 1", "two 1", "two 1", "two 7 1"]
        );
        assert_eq!(
            one.map(|call| call()),
            ["one 1", "one 1", "one 1", "one 7 1"]
        );
    }
}

#[read_through(name = "suite.names.ambiguous.derived", ttl = 60)]
fn given(id: u64) -> u64 {
    id
}

#[read_through(ttl = 60)]
fn derived(id: u64) -> u64 {
    id * 10
}

const GIVEN: &str = "names::ambiguous::a_given_name_is_no_derived_one";

#[test]
fn a_given_name_is_no_derived_one() {
    if let Some(errors) = lines_of(GIVEN, "ERROR") {
        assert_eq!(errors.len(), 1, "{errors:?}");
        return;
    }
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!((given(1), derived(1)), (1, 10));
    }
}

#[read_through(name = "suite.names.ambiguous.of_type", ttl = 60)]
fn given_as_of_type(kind: &str, id: u64) -> String {
    format!("{kind} {id}")
}

#[read_through(key = "id", ttl = 60)]
fn of_type<T: Kind>(id: u64) -> String {
    format!("{} {id}", T::NAME)
}

struct Book;
impl Kind for Book {
    const NAME: &'static str = "book";
}

#[test]
fn a_type_in_a_key_is_no_part() {
    let _inside = Cache::in_memory().enter();
    let book = std::any::type_name::<Book>().replace("::", ".");
    for _ in 0..2 {
        assert_eq!(given_as_of_type(&book, 1), format!("{book} 1"));
        assert_eq!(of_type::<Book>(1), "book 1");
    }
    assert!(of_type::key::<Book>(1).ends_with(".Book>:1"));
}

mod one {
    #[cache_runtime::read_through(name = "claimed", ttl = 60)]
    pub(super) fn user(id: u64) -> Option<String> {
        Some(format!("user {id}"))
    }
}

mod two {
    #[cache_runtime::read_through(name = "claimed", ttl = 60)]
    pub(super) fn user(id: u64) -> Result<String, String> {
        Ok(format!("user {id}"))
    }

    #[cache_runtime::read_through(name = "claimed", ttl = 60)]
    pub(super) fn number(id: u64) -> u64 {
        id
    }
}

const SHARED: &str = "names::ambiguous::a_given_name_may_be_shared";

#[test]
fn a_given_name_may_be_shared() {
    if let Some(lines) = lines_of(SHARED, "names/ambiguous.rs:") {
        assert!(lines.is_empty(), "{lines:?}");
        return;
    }
    let _inside = Cache::in_memory().enter();
    assert_eq!(one::user(1).as_deref(), Some("user 1"));
    let (_, seen) = blocking::observe(|| two::user(1));
    assert_eq!(seen, cache_runtime::Seen::Stored);
}

const VALUES: &str = "names::ambiguous::two_value_types_of_a_name_warn";

#[test]
fn two_value_types_of_a_name_warn() {
    if let Some(warnings) = lines_of(VALUES, "WARN") {
        let [warning] = &warnings[..] else {
            panic!("not one warning: {warnings:?}");
        };
        assert!(warning.contains("two types of values"), "{warning}");
        assert_eq!(
            warning.matches("names/ambiguous.rs:").count(),
            2,
            "{warning}"
        );
        return;
    }
    let _inside = Cache::in_memory().enter();
    for _ in 0..3 {
        one::user(1);
        two::user(1).unwrap();
        two::number(2);
    }
}
