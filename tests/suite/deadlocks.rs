//! No call waits for a load that cannot end: one in its own task, one that is not polled, one in a ring.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Inherited, Seen, observe, read_through};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use tokio::sync::Notify;

use crate::support::{Server, patient};

/// Within what a call waits for a leader that is not polled, of the minute for which these functions wait at most.
const TENTH: Duration = Duration::from_secs(6);

fn caches(server: &Server) -> [Cache; 2] {
    [server.patient(), patient("memory://")]
}

/// Runs calls that wait for no other call, and returns their result.
async fn ends<T>(calls: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(TENTH, calls).await;
    ended.expect("a call waits for another")
}

#[tokio::test]
async fn buffered_calls_of_one_task_do_not_wait() {
    #[read_through(name = "buffered", ttl = 60, follow = "60s")]
    async fn item(id: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        id * 10
    }
    async fn items() -> Vec<u64> {
        let items = stream::iter(0..6).map(item).buffered(3);
        let next = items.then(|item_id| async move { item((item_id / 10 + 1) % 6).await });
        next.collect().await
    }
    let server = Server::start();
    for cache in caches(&server) {
        let calls = cache.scope(items());
        assert_eq!(ends(calls).await, [10, 20, 30, 40, 50, 0]);
        for id in 0..6 {
            cache.scope(item::invalidate(id)).await.unwrap();
        }
        let calls = tokio::spawn(cache.scope(items()));
        assert_eq!(ends(calls).await.unwrap(), [10, 20, 30, 40, 50, 0]);
    }
}

#[tokio::test]
async fn calls_of_one_task_share_one_load() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "joined", ttl = 60, follow = "60s")]
    async fn item(id: u64) -> u64 {
        BODIES.fetch_add(1, SeqCst);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        id
    }
    let server = Server::start();
    for cache in caches(&server) {
        BODIES.store(0, SeqCst);
        let calls = futures_util::future::join_all((0..1000).map(|_| item(7)));
        let answers = ends(cache.scope(calls)).await;
        assert!(answers.iter().all(|answer| *answer == 7));
        assert_eq!(BODIES.load(SeqCst), 1);
    }
}

/// A leader whose body waits, is woken, and is not polled.
#[tokio::test]
async fn followers_share_the_load_that_supersedes_one() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    static GATE: Notify = Notify::const_new();
    #[read_through(name = "superseded", ttl = 60, follow = "4s")]
    async fn load() -> u64 {
        if BODIES.fetch_add(1, SeqCst) == 0 {
            GATE.notified().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        7
    }
    let server = Server::start();
    for cache in caches(&server) {
        BODIES.store(0, SeqCst);
        let mut leader = Box::pin(cache.scope(observe(load())));
        while BODIES.load(SeqCst) == 0 {
            assert!(futures_util::poll!(&mut leader).is_pending());
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        let followers: Vec<_> = (0..50).map(|_| tokio::spawn(cache.scope(load()))).collect();
        GATE.notify_one();
        for follower in followers {
            assert_eq!(follower.await.unwrap(), 7);
        }
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "waited for all of `follow`"
        );
        assert_eq!(BODIES.load(SeqCst), 2);
        // The value is stored, and the superseded load ends as well.
        assert_eq!(cache.scope(observe(load())).await, (7, Seen::Stored));
        assert_eq!(leader.await, (7, Seen::Loaded));
        assert_eq!(cache.scope(observe(load())).await, (7, Seen::Stored));
    }
}

/// The same before its body: it has asked for the lease, and does not take the answer.
#[tokio::test]
async fn a_lease_that_nobody_takes_is_superseded() {
    #[read_through(name = "asked", ttl = 60, follow = "4s")]
    async fn load(id: u64) -> u64 {
        id
    }
    let server = Server::start();
    let cache = server.patient();
    let mut id = 0;
    let mut leader = Box::pin(cache.scope(load(id)));
    let is_leased = |key: &String| server.cli(&["GET", key]) == "null";
    while !server.keys().first().is_some_and(is_leased) {
        if futures_util::poll!(&mut leader).is_ready() {
            // It was polled when the answer had just come.
            server.cli(&["FLUSHALL"]);
            id += 1;
            leader = Box::pin(cache.scope(load(id)));
        }
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    let follower = tokio::spawn(cache.scope(observe(load(id))));
    assert_eq!(follower.await.unwrap(), (id, Seen::Loaded));
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "waited for all of `follow`"
    );
    assert_eq!(leader.await, id);
}

/// A long body is not one that makes no progress.
#[tokio::test]
async fn a_slow_leader_is_not_superseded() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "slow", ttl = 60, follow = "2s")]
    async fn load() -> u64 {
        BODIES.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(900)).await;
        7
    }
    let server = Server::start();
    for cache in caches(&server) {
        BODIES.store(0, SeqCst);
        let calls: Vec<_> = (0..20).map(|_| tokio::spawn(cache.scope(load()))).collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), 7);
        }
        assert_eq!(BODIES.load(SeqCst), 1);
    }
}

/// Loads that wait for each other in a ring: the first body of each node waits for the next node, once all
/// have begun.
#[derive(Default)]
struct Ring {
    begun: Mutex<HashSet<u64>>,
}

impl Ring {
    fn reset(&self) {
        self.begun.lock().unwrap().clear();
    }

    fn begins(&self, node: u64) -> bool {
        self.begun.lock().unwrap().insert(node)
    }

    fn is_complete(&self, nodes: u64) -> bool {
        self.begun.lock().unwrap().len() as u64 == nodes
    }
}

#[tokio::test]
async fn a_ring_of_tasks_ends() {
    static RING: LazyLock<Ring> = LazyLock::new(Ring::default);
    #[read_through(name = "ring", ttl = 60, follow = "60s")]
    async fn node(id: u64, nodes: u64) -> u64 {
        if !RING.begins(id) {
            return 0;
        }
        while !RING.is_complete(nodes) {
            tokio::task::yield_now().await;
        }
        Box::pin(node((id + 1) % nodes, nodes)).await + 1
    }
    let server = Server::start();
    for cache in caches(&server) {
        for nodes in [1, 2, 3, 7] {
            RING.reset();
            let calls: Vec<_> = (0..nodes)
                .map(|id| tokio::spawn(cache.scope(node(id, nodes))))
                .collect();
            // The one that closes the ring runs a body; the others get what comes of that.
            let mut answers = ends(futures_util::future::try_join_all(calls))
                .await
                .unwrap();
            answers.sort_unstable();
            assert_eq!(answers, (1..=nodes).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_ring_of_threads_ends() {
    static RING: LazyLock<Ring> = LazyLock::new(Ring::default);
    #[read_through(name = "ring_of_threads", ttl = 60, follow = "60s")]
    fn node(id: u64, nodes: u64) -> u64 {
        if !RING.begins(id) {
            return 0;
        }
        while !RING.is_complete(nodes) {
            thread::yield_now();
        }
        node((id + 1) % nodes, nodes) + 1
    }
    let server = Server::start();
    for cache in caches(&server) {
        for nodes in [1, 2, 3, 7] {
            RING.reset();
            let start = Instant::now();
            let mut answers = thread::scope(|threads| {
                let call = |id| {
                    let cache = &cache;
                    threads.spawn(move || {
                        let _entered = cache.enter();
                        node(id, nodes)
                    })
                };
                let calls: Vec<_> = (0..nodes).map(call).collect();
                let join = |call: thread::ScopedJoinHandle<'_, u64>| call.join().unwrap();
                calls.into_iter().map(join).collect::<Vec<_>>()
            });
            assert!(start.elapsed() < TENTH, "a call waits for another");
            answers.sort_unstable();
            assert_eq!(answers, (1..=nodes).collect::<Vec<_>>());
        }
    }
}

/// The load of the outer function waits for a call of its own key, made elsewhere.
mod elsewhere {
    use super::*;

    /// How often the outer function ran. The first body makes the call.
    struct Runs(AtomicU64);

    impl Runs {
        const fn none() -> Self {
            Self(AtomicU64::new(0))
        }

        fn is_first(&self) -> bool {
            self.0.fetch_add(1, SeqCst) == 0
        }
    }

    async fn both<F: Future<Output = u64>>(runs: &Runs, call: impl Fn() -> F) {
        let server = Server::start();
        for cache in caches(&server) {
            runs.0.store(0, SeqCst);
            assert_eq!(ends(cache.scope(call())).await, 2);
        }
    }

    #[tokio::test]
    async fn an_inherited_task_runs_through() {
        static RUNS: Runs = Runs::none();
        #[read_through(name = "of_task", ttl = 60, follow = "60s")]
        async fn outer() -> u64 {
            if !RUNS.is_first() {
                return 1;
            }
            tokio::spawn(Cache::inherit().scope(again())).await.unwrap() + 1
        }
        /// With a type, or the future of `outer` would be in itself.
        fn again() -> BoxFuture<'static, u64> {
            Box::pin(outer())
        }
        both(&RUNS, outer).await;
    }

    #[tokio::test]
    async fn a_task_in_scope_runs_through() {
        static RUNS: Runs = Runs::none();
        #[read_through(name = "of_scope", ttl = 60, follow = "60s")]
        async fn outer() -> u64 {
            if !RUNS.is_first() {
                return 1;
            }
            let cache = Cache::current().unwrap();
            tokio::spawn(cache.scope(again())).await.unwrap() + 1
        }
        /// With a type, or the future of `outer` would be in itself.
        fn again() -> BoxFuture<'static, u64> {
            Box::pin(outer())
        }
        both(&RUNS, outer).await;
    }

    #[tokio::test]
    async fn an_inherited_thread_runs_through() {
        static RUNS: Runs = Runs::none();
        #[read_through(name = "of_thread", ttl = 60, follow = "60s")]
        fn outer() -> u64 {
            if !RUNS.is_first() {
                return 1;
            }
            let inherited = Cache::inherit();
            let inner = move || {
                let _entered = inherited.enter();
                outer()
            };
            thread::spawn(inner).join().unwrap() + 1
        }
        let call = async || {
            let inherited = Cache::inherit();
            let outer = move || {
                let _entered = inherited.enter();
                outer()
            };
            tokio::task::spawn_blocking(outer).await.unwrap()
        };
        both(&RUNS, call).await;
    }

    #[tokio::test]
    async fn a_detached_load_runs_through() {
        static RUNS: Runs = Runs::none();
        #[read_through(name = "outer_of_detached", ttl = 60, follow = "60s")]
        async fn outer() -> u64 {
            match RUNS.is_first() {
                true => inner().await + 1,
                false => 1,
            }
        }
        #[read_through(name = "detached", ttl = 60, follow = "60s", detach)]
        async fn inner() -> u64 {
            again().await
        }
        /// With a type, or the future of `outer` would be in itself.
        fn again() -> BoxFuture<'static, u64> {
            Box::pin(outer())
        }
        both(&RUNS, outer).await;
    }
}

/// A task that outlives the load that it inherited waits for later loads, like any other.
#[tokio::test]
async fn an_inherited_chain_ends_with_its_load() {
    static INHERITED: Mutex<Option<Inherited>> = Mutex::new(None);
    #[read_through(name = "outlived", ttl = 60)]
    async fn load() -> u64 {
        INHERITED.lock().unwrap().replace(Cache::inherit());
        7
    }
    let server = Server::start();
    for cache in caches(&server) {
        cache.scope(load()).await;
        let inherited = INHERITED.lock().unwrap().take().unwrap();
        assert_eq!(inherited.scope(observe(load())).await, (7, Seen::Stored));
    }
}
