//! Keys and values as release 0.1 wrote them: every later one reads them, and writes the same.
//!
//! A change of the table is a breaking change of what is stored. `WRITE_STORED=1` adds new rows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use cache_runtime::{Cache, CacheKey, Seen, observe, read_through};
use serde::{Deserialize, Serialize};

use crate::support::Server;

const TABLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/suite/stored_data/0_1.json"
);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    email: Option<String>,
    balance: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Round(f32),
    Named { width: i128, tags: Vec<String> },
}

#[derive(CacheKey)]
struct Page {
    tenant: String,
    number: Option<u32>,
}

fn new_user(id: u64) -> User {
    User {
        id,
        name: "Zoë \"Z\" O'Neil\n".to_owned(),
        email: None,
        balance: 0.1 + 0.2,
    }
}

#[read_through(key = "id", ttl = "1h")]
async fn user(id: u64) -> Result<User, String> {
    Ok(new_user(id))
}

#[read_through(name = "by:page", version = 3, ttl = "1h")]
async fn by_page(page: Page, kinds: Vec<&str>) -> Vec<User> {
    vec![new_user(u64::from(
        page.number.unwrap_or(kinds.len() as u32),
    ))]
}

#[read_through(key = "{tenant}/{id}::x", ttl = "1h", none = true)]
async fn absent(tenant: &str, id: i8) -> Option<User> {
    (id > 0 && tenant.is_empty()).then(|| new_user(1))
}

#[read_through(ttl = "1h", stale = "1h")]
async fn shapes(pair: (bool, char)) -> Vec<Shape> {
    let tags = vec![format!("{pair:?}")];
    vec![
        Shape::Unit,
        Shape::Round(0.1),
        Shape::Named {
            width: i128::MIN,
            tags,
        },
    ]
}

#[read_through(ttl = "1h", near)]
async fn shared(id: u8) -> Arc<BTreeMap<u8, [u8; 3]>> {
    Arc::new(BTreeMap::from([(id, [id; 3])]))
}

#[read_through]
async fn mapped(id: u8) -> HashMap<String, u64> {
    HashMap::from([("ä".to_owned(), u64::MAX - u64::from(id))])
}

#[read_through(ttl = "1h")]
async fn generic<T: CacheKey + Debug + Send + Sync, const N: usize>(of: [T; N]) -> String {
    format!("{of:?}")
}

struct Repo<T>(T);

trait Load {
    async fn load(&self, id: u64) -> Vec<u64>;
}

impl Load for Repo<User> {
    #[read_through(key = "{self.0.id}:{id}", ttl = "1h")]
    async fn load(&self, id: u64) -> Vec<u64> {
        vec![self.0.id, id]
    }
}

impl<T: Sync> Repo<T> {
    #[read_through(name = "named", key = "id", ttl = "1h")]
    async fn named(&self, id: u64) -> u64 {
        id
    }
}

/// Of one call: its key, and what is stored there.
type Table = BTreeMap<String, String>;

struct Calls<'a> {
    server: &'a Server,
    cache: &'a Cache,
    before: &'a Table,
    now: Table,
}

impl Calls<'_> {
    /// What is stored answers the call as the body does, and the body stores the same.
    async fn make<T: Debug + PartialEq, F: Future<Output = T>>(&mut self, call: impl Fn() -> F) {
        self.server.cli(&["FLUSHALL"]);
        let loaded = self.cache.scope(call()).await;
        let keys = self.server.keys();
        let [key] = &keys[..] else {
            panic!("not one key: {keys:?}");
        };
        let stored = self.server.cli(&["GET", key]);
        if let Some(before) = self.before.get(key) {
            self.server.cli(&["FLUSHALL"]);
            self.server.cli(&["SET", key, before, "PX", "7200000"]);
            let (read, seen) = self.cache.scope(observe(call())).await;
            assert_eq!((&read, seen), (&loaded, Seen::Stored), "{key}");
        }
        self.now.insert(key.clone(), stored);
    }
}

#[tokio::test]
async fn values_of_older_releases_are_hits() {
    let before: Table = serde_json::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap();
    let server = Server::start();
    let cache = Cache::new(server.config().prefix("shop")).unwrap();
    let mut calls = Calls {
        server: &server,
        cache: &cache,
        before: &before,
        now: Table::new(),
    };
    let page = |number| Page {
        tenant: "a:b".to_owned(),
        number,
    };
    calls.make(|| user(7)).await;
    calls.make(|| by_page(page(Some(2)), vec!["x", ""])).await;
    calls.make(|| by_page(page(None), vec![])).await;
    calls.make(|| absent("", 1)).await;
    calls.make(|| absent("größe 50%", -1)).await;
    calls.make(|| shapes((true, ':'))).await;
    calls.make(|| shared(1)).await;
    calls.make(|| mapped(1)).await;
    calls.make(|| generic(["a", "b"])).await;
    calls.make(|| generic([1_u8])).await;
    calls
        .make(|| async { Repo(new_user(1)).load(2).await })
        .await;
    calls.make(|| async { Repo("x").named(2).await }).await;
    if std::env::var_os("WRITE_STORED").is_some() {
        let text = serde_json::to_string_pretty(&calls.now).unwrap();
        std::fs::write(TABLE, text + "\n").unwrap();
    } else {
        assert_eq!(calls.now, before);
    }
}

/// `null` and 64 blanks, of which each carries two bits.
const LEASE: &str = "null \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r";

#[tokio::test]
async fn leases_of_older_releases_are_no_values() {
    let server = Server::start();
    let cache = Cache::new(server.config().prefix("shop")).unwrap();
    cache
        .scope(async {
            let key = absent::key("", 1);
            server.cli(&["SET", &key, LEASE, "PX", "300"]);
            assert_eq!(absent::peek("", 1).await.unwrap(), None);
            let (user, seen) = observe(absent("", 1)).await;
            assert_eq!((user, seen), (Some(new_user(1)), Seen::Loaded));
        })
        .await;
}
