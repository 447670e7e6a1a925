//! What a call costs where nobody is waited for, by [divan](https://docs.rs/divan).
//!
//! `cargo bench -p cache-runtime --bench hot`

use std::net::TcpListener;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_runtime::{Cache, CacheKey, Config, Key, read_through};
use divan::{Bencher, black_box};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    email: String,
}

impl User {
    fn new(id: u64) -> Self {
        Self {
            id,
            name: format!("user {id:06}"),
            email: format!("u{id:06}@example.org"),
        }
    }
}

/// About two kilobytes of JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Order {
    buyer: User,
    note: String,
    lines: Vec<Line>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    product: String,
    quantity: u32,
    cents: u64,
}

impl Order {
    fn new(id: u64) -> Self {
        let line = |of: u32| Line {
            product: format!("product {of:04}"),
            quantity: 1 + of % 7,
            cents: 1999 + u64::from(of) * 31,
        };
        Self {
            buyer: User::new(id),
            note: "A line of text as long as people write them. ".repeat(16),
            lines: (0..20).map(line).collect(),
        }
    }
}

#[derive(CacheKey)]
struct Page {
    tenant: u32,
    path: String,
}

fn main() {
    Cache::in_memory().install().expect("no other is installed");
    divan::main();
}

/// What needs no waiting, without a runtime around it.
fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this call waits for somebody"),
    }
}

/// A hit that finds a typed copy in the process.
mod near_hit {
    use super::*;

    #[read_through(ttl = 900, near)]
    async fn shared(id: u64) -> Arc<User> {
        Arc::new(User::new(id))
    }

    #[read_through(ttl = 900, near)]
    async fn cloned(id: u64) -> User {
        User::new(id)
    }

    #[read_through(ttl = 900, near)]
    fn shared_sync(id: u64) -> Arc<User> {
        Arc::new(User::new(id))
    }

    /// The first call loads, the second one reads and keeps a copy.
    fn keep<T>(call: impl Fn() -> T) {
        call();
        call();
    }

    #[divan::bench(name = "shared by Arc")]
    fn of_arc(bencher: Bencher<'_, '_>) {
        keep(|| now(shared(7)));
        bencher.bench(|| now(shared(black_box(7))));
    }

    #[divan::bench(name = "cloned")]
    fn of_clone(bencher: Bencher<'_, '_>) {
        keep(|| now(cloned(7)));
        bencher.bench(|| now(cloned(black_box(7))));
    }

    #[divan::bench(name = "shared, sync function")]
    fn of_sync(bencher: Bencher<'_, '_>) {
        keep(|| shared_sync(7));
        bencher.bench(|| shared_sync(black_box(7)));
    }
}

/// A hit in the store in memory: all but the network.
mod stored_hit {
    use super::*;

    #[read_through(ttl = 900)]
    async fn user(id: u64) -> User {
        User::new(id)
    }

    #[read_through(ttl = 900)]
    async fn order(id: u64) -> Order {
        Order::new(id)
    }

    #[divan::bench]
    fn small(bencher: Bencher<'_, '_>) {
        now(user(7));
        bencher.bench(|| now(user(black_box(7))));
    }

    #[divan::bench(name = "2 KB")]
    fn larger(bencher: Bencher<'_, '_>) {
        now(order(7));
        bencher.bench(|| now(order(black_box(7))));
    }
}

/// What of it is serde_json, which reads the bytes of the reply where they are.
mod decode {
    use super::*;

    #[divan::bench]
    fn small(bencher: Bencher<'_, '_>) {
        let json = serde_json::to_vec(&User::new(7)).expect("it is JSON");
        bencher.bench(|| serde_json::from_slice::<User>(black_box(&json)));
    }

    #[divan::bench(name = "2 KB")]
    fn larger(bencher: Bencher<'_, '_>) {
        let json = serde_json::to_vec(&Order::new(7)).expect("it is JSON");
        bencher.bench(|| serde_json::from_slice::<Order>(black_box(&json)));
    }
}

/// The text of a key.
mod key {
    use super::*;

    #[divan::bench]
    fn number() -> Key {
        Key::new("users").part(black_box(&7_u64))
    }

    #[divan::bench(name = "text and number")]
    fn text_and_number() -> Key {
        Key::new("users")
            .part(black_box("de/at"))
            .part(black_box(&7_u64))
    }

    #[divan::bench(name = "derived")]
    fn derived(bencher: Bencher<'_, '_>) {
        let page = Page {
            tenant: 7,
            path: "/products/7".to_owned(),
        };
        bencher.bench(|| Key::new("pages").part(black_box(&page)));
    }
}

/// A call while the server is known to be away: beside its body, which costs nothing.
mod breaker_open {
    use super::*;

    #[read_through(ttl = 900)]
    async fn body(id: u64) -> u64 {
        id
    }

    #[read_through(ttl = 900)]
    fn body_sync(id: u64) -> u64 {
        id
    }

    static AWAY: LazyLock<Cache> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        // Nobody listens there from here on.
        drop(listener);
        let config = Config::new(format!("redis://127.0.0.1:{port}"));
        let cache = Cache::new(config).expect("the URL is right");
        while !cache.stats().server().away {
            let _ = cache.blocking().ping();
            std::thread::sleep(Duration::from_millis(1));
        }
        cache
    });

    #[divan::bench(name = "async function")]
    fn of_async(bencher: Bencher<'_, '_>) {
        let _inside = AWAY.enter();
        bencher.bench_local(|| now(body(black_box(7))));
    }

    #[divan::bench(name = "sync function")]
    fn of_sync(bencher: Bencher<'_, '_>) {
        let _inside = AWAY.enter();
        bencher.bench_local(|| body_sync(black_box(7)));
    }
}
