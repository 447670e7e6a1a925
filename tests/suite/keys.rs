//! Which calls share a value, and which never do.

use cache_runtime::{Cache, read_through};

mod one {
    #[cache_runtime::read_through]
    pub(super) async fn name_of(n: u8) -> String {
        format!("one {n}")
    }
}

mod two {
    #[cache_runtime::read_through]
    pub(super) async fn name_of(n: u8) -> String {
        format!("two {n}")
    }
}

#[tokio::test]
async fn functions_of_one_name_in_two_modules_share_nothing() {
    Cache::in_memory()
        .scope(async {
            assert_ne!(one::name_of::key(1), two::name_of::key(1));
            assert_eq!(one::name_of(1).await, "one 1");
            assert_eq!(two::name_of(1).await, "two 1");
            assert_eq!(one::name_of(1).await, "one 1");
        })
        .await;
}

#[read_through(key = "b")]
async fn one_name(a: u8, b: u8) -> u8 {
    a + b
}
#[read_through(key = "b, a")]
async fn list(a: u8, b: u8) -> u8 {
    a + b
}
#[read_through(key = "from {b}/to {a}")]
async fn template(a: u8, b: &str) -> String {
    format!("{a}{b}")
}
#[read_through(key = "::{a}::b:::c")]
async fn colons(a: u8) -> u8 {
    a
}
#[read_through(skip(a))]
async fn skipping(a: u8, b: u8) -> u8 {
    a + b
}
#[read_through]
async fn all(a: u8, b: u8) -> u8 {
    a + b
}
#[read_through]
async fn none() -> u8 {
    0
}
#[read_through(name = "renamed", version = 3)]
async fn named(a: u8) -> u8 {
    a
}

#[test]
fn each_way_to_write_a_key_names_the_arguments_it_says() {
    let cache = Cache::in_memory();
    let _inside = cache.enter();
    let here = "cache:suite.keys";
    assert_eq!(one_name::key(2), format!("{here}.one_name:2"));
    assert_eq!(list::key(1, 2), format!("{here}.list:2:1"));
    assert_eq!(
        template::key(1, "x/y"),
        format!("{here}.template:from x%2Fy/to 1")
    );
    assert_eq!(colons::key(1), format!("{here}.colons:%3A:1:%3Ab:%3A:c"));
    assert_eq!(skipping::key(2), format!("{here}.skipping:2"));
    assert_eq!(all::key(1, 2), format!("{here}.all:1:2"));
    assert_eq!(none::key(), format!("{here}.none"));
    assert_eq!(named::key(1), "cache:renamed@3:1");
}

macro_rules! keyed_by_literal {
    ($name:ident, $key:literal) => {
        #[read_through(key = $key)]
        async fn $name(a: u8, b: u8) -> (u8, u8) {
            (a, b)
        }
    };
}

macro_rules! keyed_by_expr {
    ($name:ident, $key:expr) => {
        #[read_through(key = $key)]
        async fn $name(a: u8, b: u8) -> (u8, u8) {
            (a, b)
        }
    };
}

keyed_by_literal!(literal, "b");
keyed_by_literal!(literal_template, "x:{a}:{b}");
keyed_by_expr!(expr, "b");
keyed_by_expr!(expr_in_parentheses, ("b"));
keyed_by_expr!(expr_concatenated, concat!("x:", "{b}"));

#[read_through(key = ("b"))]
async fn parenthesised(a: u8, b: u8) -> (u8, u8) {
    (a, b)
}

#[tokio::test]
async fn a_key_that_comes_through_a_macro_or_parentheses_is_still_the_key() {
    Cache::in_memory()
        .scope(async {
            assert!(literal::key(9).ends_with(".literal:9"));
            assert!(literal_template::key(8, 9).ends_with(".literal_template:x:8:9"));
            assert!(expr::key(9).ends_with(".expr:9"));
            assert!(expr_in_parentheses::key(9).ends_with(".expr_in_parentheses:9"));
            assert!(expr_concatenated::key(9).ends_with(".expr_concatenated:x:9"));
            assert!(parenthesised::key(9).ends_with(".parenthesised:9"));
            assert_eq!(literal(1, 1).await, (1, 1));
            assert_eq!(literal(1, 2).await, (1, 2));
            assert_eq!(expr(1, 1).await, (1, 1));
            assert_eq!(expr(1, 2).await, (1, 2));
            assert_eq!(parenthesised(1, 1).await, (1, 1));
            assert_eq!(parenthesised(1, 2).await, (1, 2));
        })
        .await;
}
