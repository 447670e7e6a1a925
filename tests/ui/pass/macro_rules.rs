//! Functions that a macro writes, with what it was given in invisible brackets.

use cache_runtime::{Cache, read_through};

macro_rules! cached {
    ($name:ident, $key:literal, $ttl:expr, $ty:ty, $body:block) => {
        #[read_through(key = $key, ttl = $ttl)]
        #[allow(unused_variables, reason = "the body that is given does not know `id`")]
        async fn $name(id: $ty) -> Option<$ty> $body
    };
}

macro_rules! cached_by {
    ($name:ident($argument:ident), $key:expr) => {
        #[read_through(key = $key)]
        async fn $name($argument: u64) -> u64 {
            $argument + 1
        }
    };
}

cached!(by_name, "id", 60, u64, { Some(1) });
cached!(by_template, "user:{id}", "1h", String, {
    Some(String::new())
});
cached_by!(by_ident(id), id);
cached_by!(by_expression(id), (id / 2));

#[read_through(key = concat!("user", ":", "{id}"))]
async fn by_concat(id: u64) -> u64 {
    id
}

#[read_through(key = (("id")))]
async fn by_parentheses(id: u64) -> u64 {
    id
}

#[tokio::main]
async fn main() {
    Cache::in_memory().scope(keys()).await;
}

async fn keys() {
    by_name(7).await;
    assert!(by_name::key(7).ends_with("by_name:7"));
    assert!(by_template::key("x").ends_with("by_template:user:x"));
    assert!(by_ident::key(7).ends_with("by_ident:7"));
    by_expression(6).await;
    assert_eq!(by_expression(7).await, 7);
    assert_eq!(by_concat(7).await, 7);
    assert!(by_concat::key(7).ends_with("by_concat:user:7"));
    assert_ne!(by_parentheses(7).await, by_parentheses(8).await);
}
