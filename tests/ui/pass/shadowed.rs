//! The names of primitive types, of the prelude and of crates may be the user's own.

#![allow(dead_code, non_camel_case_types)]

mod shadowed {
    pub struct u8;
    pub struct u32;
    pub struct u64;
    pub struct usize;
    pub struct bool;
    pub struct str;
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub mod core {}
    pub mod std {}

    #[cache_runtime::read_through(
        key = "id",
        version = 3,
        ttl = "1m",
        none = "1s",
        jitter = "10%",
        stale = "1h",
        lease = "2s",
        follow = "5s",
        near = "1s"
    )]
    pub async fn found(id: ::core::primitive::u64) -> ::core::option::Option<::core::primitive::u64> {
        ::core::option::Option::Some(id)
    }

    #[cache_runtime::read_through(name = "generic", version = 3)]
    pub fn generic<T: cache_runtime::CacheKey, const N: ::core::primitive::usize>(
        _of: [T; N],
    ) -> ::core::primitive::usize {
        N
    }

    #[derive(cache_runtime::CacheKey)]
    pub struct Page(pub ::core::primitive::u8);

    pub struct Repo;

    impl Repo {
        #[cache_runtime::read_through(key = "page", version = 3, detach)]
        pub async fn list(self: ::std::sync::Arc<Self>, page: Page) -> ::core::primitive::u64 {
            7
        }
    }
}

fn main() {
    let cache = cache_runtime::Cache::in_memory();
    let _inside = cache.enter();
    assert_eq!(shadowed::generic([1_u8, 2]), 2);
    assert!(shadowed::found::key(7).ends_with("@3:7"));
}
