//! Traits and their parameters, as users of other caches have met them.

use cache_runtime::{Cache, read_through};

struct Pg;

trait Users {
    fn find(&self, id: u64) -> String;
}

trait Orders {
    fn find(&self, id: u64) -> String;
}

impl Users for Pg {
    #[read_through(key = "id", ttl = 60)]
    fn find(&self, id: u64) -> String {
        format!("user {id}")
    }
}

impl Orders for Pg {
    #[read_through(key = "id", ttl = 60)]
    fn find(&self, id: u64) -> String {
        format!("order {id}")
    }
}

#[test]
fn two_traits_of_one_type_share_nothing() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!(Users::find(&Pg, 1), "user 1");
        assert_eq!(Orders::find(&Pg, 1), "order 1");
    }
}

trait Kind {
    const NAME: &'static str;
}

struct Book;
impl Kind for Book {
    const NAME: &'static str = "book";
}

struct Song;
impl Kind for Song {
    const NAME: &'static str = "song";
}

trait Catalog<K> {
    fn title(&self, id: u64) -> String;
    async fn titles(&self, id: u64) -> String;
}

impl<K: Kind> Catalog<K> for Pg {
    #[read_through(key = "id", ttl = 60, near)]
    fn title(&self, id: u64) -> String {
        format!("{} {id}", K::NAME)
    }

    #[read_through(name = "titles", key = "id", ttl = 60)]
    async fn titles(&self, id: u64) -> String {
        format!("{} {id}", K::NAME)
    }
}

#[tokio::test]
async fn parameters_of_a_trait_share_nothing() {
    let _inside = Cache::in_memory().enter();
    // With near entries from the third round on.
    for _ in 0..300 {
        assert_eq!(Catalog::<Book>::title(&Pg, 1), "book 1");
        assert_eq!(Catalog::<Song>::title(&Pg, 1), "song 1");
    }
    for _ in 0..2 {
        assert_eq!(Catalog::<Book>::titles(&Pg, 1).await, "book 1");
        assert_eq!(Catalog::<Song>::titles(&Pg, 1).await, "song 1");
    }
}

#[async_trait::async_trait]
trait Rates<K>: Sync {
    async fn rate(&self, id: u64) -> String;
}

#[async_trait::async_trait]
impl<K: Kind> Rates<K> for Pg {
    #[read_through(key = "id", ttl = 60)]
    async fn rate(&self, id: u64) -> String {
        format!("{} {id}", K::NAME)
    }
}

#[tokio::test]
async fn parameters_of_an_async_trait_share_nothing() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!(Rates::<Book>::rate(&Pg, 1).await, "book 1");
        assert_eq!(Rates::<Song>::rate(&Pg, 1).await, "song 1");
    }
}

#[test]
fn functions_inside_of_functions_share_nothing() {
    fn a() -> u64 {
        #[read_through(ttl = 60)]
        fn rate(id: u64) -> u64 {
            id
        }
        rate(1)
    }
    fn b() -> u64 {
        #[read_through(ttl = 60)]
        fn rate(id: u64) -> u64 {
            id * 100
        }
        rate(1)
    }
    let _inside = Cache::in_memory().enter();
    assert_eq!([a(), b(), a(), b()], [1, 100, 1, 100]);
}

#[read_through(name = "shop:users", ttl = 60)]
fn named_with_colon(id: u64) -> String {
    format!("named {id}")
}

#[read_through(name = "shop", ttl = 60)]
fn with_two_parts(kind: &str, id: u64) -> String {
    format!("{kind} of shop {id}")
}

#[test]
fn a_colon_in_a_name_separates_nothing() {
    let _inside = Cache::in_memory().enter();
    for _ in 0..2 {
        assert_eq!(named_with_colon(7), "named 7");
        assert_eq!(with_two_parts("users", 7), "users of shop 7");
    }
    assert_eq!(named_with_colon::key(7), "cache:shop%3Ausers:7");
    assert_eq!(with_two_parts::key("users", 7), "cache:shop:users:7");
}
