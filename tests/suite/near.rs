//! Copies in the process (option `near`): what they answer, for how long, and what removes them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, EventKind, Seen, blocking, observe, read_through};
use serde::{Deserialize, Serialize};

use crate::scenarios::{KINDS, frozen};
use crate::support::{Server, in_own_process, is_own_process, runtime};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

fn user(id: u64) -> User {
    let name = format!("user {id}");
    User { id, name }
}

#[read_through(name = "shared", ttl = 60, near)]
async fn shared(id: u64) -> Arc<User> {
    Arc::new(user(id))
}

#[read_through(name = "cloned", ttl = 60, near)]
async fn cloned(id: u64) -> Result<Option<User>, String> {
    Ok(Some(user(id)))
}

#[read_through(name = "sync", ttl = 60, near)]
fn on_threads(id: u64) -> Option<Arc<User>> {
    Some(Arc::new(user(id)))
}

#[read_through(name = "briefly", ttl = 60, near = "2s")]
async fn briefly(id: u64) -> User {
    user(id)
}

#[read_through(name = "absent", ttl = 60, none = true, near)]
async fn absent(id: u64) -> Option<u64> {
    BODIES.fetch_add(1, Relaxed);
    (id == 0).then_some(id)
}

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "aging", ttl = 60, stale = "60s", near)]
async fn aging(id: u64) -> u64 {
    id + BODIES.fetch_add(1, Relaxed)
}

struct Repo {
    tenant: u64,
}

impl Repo {
    #[read_through(key = "{self.tenant}:{id}", name = "method", ttl = 60, near)]
    async fn load<
        T: From<u64> + Clone + Send + Sync + Serialize + for<'a> Deserialize<'a> + 'static,
    >(
        &self,
        id: u64,
    ) -> Result<T, std::io::Error> {
        Ok(T::from(id))
    }
}

/// How three calls are answered.
async fn seen<F: Future>(call: impl Fn() -> F) -> [Seen; 3] {
    [
        observe(call()).await.1,
        observe(call()).await.1,
        observe(call()).await.1,
    ]
}

/// The first call loads, the next one reads and keeps a copy.
const WARMING: [Seen; 3] = [Seen::Loaded, Seen::Stored, Seen::Near];

/// Until a call is answered as it should be, which may take as long as a push.
pub(crate) async fn soon<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(
    call: impl Fn() -> F,
    right: T,
) {
    let began = Instant::now();
    while call().await != right {
        assert!(began.elapsed() < Duration::from_secs(2), "not {right:?}");
        tokio::task::yield_now().await;
    }
}

/// Until there is a copy. The server's word of the fill may still be on its way when the value is
/// read, and then the value is read once more.
pub(crate) async fn warm<F: Future>(call: impl Fn() -> F) {
    soon(|| async { observe(call()).await.1 }, Seen::Near).await;
}

async fn every_shape_has_its_copies() {
    warm(|| shared(7)).await;
    assert!(Arc::ptr_eq(&shared(7).await, &shared(7).await));
    warm(|| cloned(7)).await;
    assert_eq!(cloned(7).await, Ok(Some(user(7))));
    let repo = Repo { tenant: 1 };
    warm(|| repo.load::<u64>(7)).await;
    warm(|| repo.load::<u128>(7)).await;
    assert_eq!(repo.load::<u64>(7).await.unwrap(), 7);
    let stats = Cache::current().unwrap().stats();
    let of = stats.function("shared").unwrap();
    assert_eq!((of.loads, of.near), (1, 3));
}

#[tokio::test]
async fn every_shape_of_function_has_its_copies() {
    let server = Server::start();
    server.patient().scope(every_shape_has_its_copies()).await;
}

#[tokio::test]
async fn a_cache_in_memory_has_copies_too() {
    let cache = Cache::in_memory();
    cache.scope(every_shape_has_its_copies()).await;
    cache
        .scope(async { assert_eq!(seen(|| shared(8)).await, WARMING) })
        .await;
}

#[test]
fn a_sync_function_has_copies_with_any_runtime_and_without() {
    let server = Server::start();
    let cache = server.patient();
    let calls = |id: u64| {
        let _inside = cache.enter();
        let seen = || blocking::observe(|| on_threads(id)).1;
        assert_eq!(seen(), Seen::Loaded);
        assert!((0..100).any(|_| seen() == Seen::Near));
        assert!(Arc::ptr_eq(
            &on_threads(id).unwrap(),
            &on_threads(id).unwrap()
        ));
        on_threads::invalidate(id).unwrap();
        assert_eq!(blocking::observe(|| on_threads(id)).1, Seen::Loaded);
    };
    calls(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async { calls(2) });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { calls(3) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_reaches_the_server_for_a_copy() {
    let server = Server::start();
    let cache = server.patient();
    let commands = || {
        let stats = server.cli(&["INFO", "stats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    cache.scope(warm(|| shared(7))).await;
    let before = commands();
    for _ in 0..1_000 {
        assert_eq!(cache.scope(shared(7)).await.id, 7);
    }
    // The asking itself is one.
    assert!(commands() - before < 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_process_does_to_a_value_is_seen_at_once() {
    async fn goes_through_everything() {
        for n in 0..200 {
            warm(|| cloned(n)).await;
            cloned::put(n, &user(n + 1)).await.unwrap();
            assert_eq!(cloned(n).await, Ok(Some(user(n + 1))));
            warm(|| cloned(n)).await;
            cloned::refresh(n).await.unwrap();
            assert_eq!(cloned(n).await, Ok(Some(user(n))));
            warm(|| cloned(n)).await;
            let cache = Cache::current().unwrap();
            cache.set(cloned::key(n), &user(n + 2), None).await.unwrap();
            assert_eq!(cloned(n).await, Ok(Some(user(n + 2))));
            warm(|| cloned(n)).await;
            cache_runtime::invalidate(cloned(n)).await.unwrap();
            assert_eq!(observe(cloned(n)).await.1, Seen::Loaded);
        }
    }
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        cache.scope(goes_through_everything()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_program_does_to_a_value_is_told_by_the_server() {
    let server = Server::start();
    let cache = server.patient();
    let warmed = || cache.scope(warm(|| cloned(7)));
    let key = cloned::key(7);
    warmed().await;
    server.cli(&["SET", &key, r#"{"id":8,"name":"other"}"#]);
    let other = Ok(Some(User {
        id: 8,
        name: "other".into(),
    }));
    soon(|| cache.scope(cloned(7)), other).await;
    for gone in [
        &["DEL", &key][..],
        &["UNLINK", &key],
        &["PEXPIRE", &key, "1"],
        &["FLUSHALL"],
        &["FLUSHDB"],
    ] {
        warmed().await;
        server.cli(gone);
        soon(|| cache.scope(cloned(7)), Ok(Some(user(7)))).await;
        server.cli(&["SET", &key, r#"{"id":8,"name":"other"}"#]);
        soon(
            || async { cache.scope(cloned(7)).await.unwrap().unwrap().id },
            8,
        )
        .await;
    }
}

/// A value whose destructor makes a call itself, as one does that writes down that it is gone.
#[derive(Serialize, Deserialize)]
struct Calls(u64);

static CALLED_BY_A_DESTRUCTOR: OnceLock<(Cache, mpsc::Sender<u64>)> = OnceLock::new();

impl Drop for Calls {
    fn drop(&mut self) {
        let Some((cache, dropped)) = CALLED_BY_A_DESTRUCTOR.get() else {
            return;
        };
        let _inside = cache.enter();
        on_threads(self.0);
        let _ = dropped.send(self.0);
    }
}

#[read_through(name = "calls", ttl = 60, near)]
async fn calls(id: u64) -> Arc<Calls> {
    Arc::new(Calls(id))
}

const DESTRUCTOR: &str =
    "near::the_destructor_of_a_copy_that_another_program_removes_may_make_calls";

#[test]
fn the_destructor_of_a_copy_that_another_program_removes_may_make_calls() {
    if !is_own_process(DESTRUCTOR) {
        in_own_process(DESTRUCTOR, &[]);
        return;
    }
    let server = Server::start();
    let cache = server.patient();
    let warmed = cache.clone();
    // On a thread that ends: it has copies at hand, which would outlive those in the map.
    let warming = thread::spawn(move || {
        runtime().block_on(warmed.scope(async {
            warm(|| calls(1)).await;
            warm(|| calls(2)).await;
        }));
    });
    warming.join().unwrap();
    let (tell, dropped) = mpsc::channel();
    CALLED_BY_A_DESTRUCTOR.set((cache.clone(), tell)).unwrap();
    let soon = Duration::from_secs(5);
    server.cli(&["DEL", &calls::key(1)]);
    assert_eq!(dropped.recv_timeout(soon), Ok(1));
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert_eq!(dropped.recv_timeout(soon), Ok(2));
    runtime().block_on(cache.scope(warm(|| cloned(7))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_takes_all_copies_with_it() {
    let server = Server::start();
    let cache = server.patient();
    for _ in 0..20 {
        cache.scope(warm(|| shared(7))).await;
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        // With the very next command the server has forgotten who wants to hear of it.
        server.cli(&["SET", &shared::key(7), r#"{"id":8,"name":"other"}"#]);
        soon(|| async { cache.scope(shared(7)).await.id }, 8).await;
        cache.scope(shared::invalidate(7)).await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_lives_no_longer_than_its_value_and_its_age() {
    let cache = Cache::in_memory();
    cache
        .scope(async {
            assert_eq!(seen(|| briefly(7)).await, WARMING);
            cache.advance(Duration::from_secs(2));
            assert_eq!(observe(briefly(7)).await.1, Seen::Stored);
            assert_eq!(seen(|| cloned(7)).await, WARMING);
            cache.advance(Duration::from_secs(10));
            assert_eq!(observe(cloned(7)).await.1, Seen::Stored);
            assert_eq!(observe(cloned(7)).await.1, Seen::Near);
            cache.advance(Duration::from_secs(45));
            assert_eq!(observe(cloned(7)).await.1, Seen::Stored);
            assert_eq!(observe(cloned(7)).await.1, Seen::Near);
            cache.advance(Duration::from_secs(5));
            assert_eq!(observe(cloned(7)).await.1, Seen::Loaded);
        })
        .await;
}

#[tokio::test]
async fn the_copy_of_a_value_that_expires_on_the_server_expires_with_it() {
    let server = Server::start();
    let cache = server.patient();
    cache.scope(warm(|| cloned(7))).await;
    let key = cloned::key(7);
    server.cli(&["PEXPIRE", &key, "300"]);
    let set = Instant::now();
    cache.scope(warm(|| cloned(7))).await;
    loop {
        let called = set.elapsed();
        let (_, seen) = cache.scope(observe(cloned(7))).await;
        if called > Duration::from_millis(300) {
            assert_ne!(seen, Seen::Near, "after {called:?}");
        }
        if seen == Seen::Loaded {
            return;
        }
    }
}

#[tokio::test]
async fn a_stale_value_has_no_copy() {
    let cache = Cache::in_memory();
    cache
        .scope(async {
            let first = aging(0).await;
            assert_eq!(observe(aging(0)).await, (first, Seen::Stored));
            assert_eq!(observe(aging(0)).await, (first, Seen::Near));
            cache.advance(Duration::from_secs(55));
            assert_eq!(observe(aging(0)).await, (first, Seen::Stored));
            assert_eq!(observe(aging(0)).await, (first, Seen::Near));
            cache.advance(Duration::from_secs(5));
            assert_eq!(observe(aging(0)).await, (first, Seen::Stale));
            soon(|| async { aging(0).await > first }, true).await;
        })
        .await;
}

#[tokio::test]
async fn an_absence_that_is_stored_has_a_copy() {
    let cache = Cache::in_memory();
    cache
        .scope(async {
            assert_eq!(seen(|| absent(7)).await, WARMING);
            assert_eq!(absent(7).await, None);
        })
        .await;
}

#[tokio::test]
async fn two_functions_of_one_name_never_take_each_others_copies() {
    #[read_through(name = "twin", ttl = 60, near)]
    async fn number(id: u64) -> u64 {
        id
    }
    #[read_through(name = "twin", ttl = 60, near)]
    async fn text(id: u64) -> String {
        id.to_string()
    }
    let cache = Cache::in_memory();
    cache
        .scope(async {
            for _ in 0..3 {
                assert_eq!(number(7).await, 7);
                assert_eq!(text(7).await, "7");
            }
        })
        .await;
}

#[tokio::test]
async fn listeners_hear_of_copies_and_may_make_calls_themselves() {
    let cache = Cache::in_memory();
    let heard = Arc::new(AtomicU64::new(0));
    let (count, inside) = (heard.clone(), cache.clone());
    let _listening = cache.on_event(move |event| {
        if event.kind == EventKind::Near && event.function == "cloned" {
            assert_eq!(event.key, "cache:cloned:7");
            count.fetch_add(1, Relaxed);
            let _entered = inside.enter();
            on_threads(7);
        }
    });
    cache.scope(seen(|| cloned(7))).await;
    assert_eq!(heard.load(Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_shutdown_the_body_answers() {
    let server = Server::start();
    let cache = server.patient();
    cache.scope(warm(|| cloned(7))).await;
    cache.shutdown().await;
    assert_eq!(cache.scope(observe(cloned(7))).await.1, Seen::Bypassed);
}

#[test]
fn a_server_that_stands_still_is_believed_until_the_copies_are_old() {
    let age = Duration::from_millis(400);
    for kind in KINDS {
        let server = Server::start();
        let cache = Cache::new(server.config().near_max_age(age)).unwrap();
        let found = frozen::run(kind, &server, &cache, age / 2);
        assert!(found.copies > 100, "{kind:?}: {found:?}");
        assert!(
            found.oldest < age + Duration::from_millis(250),
            "{kind:?}: {found:?}"
        );
        assert_eq!(
            (found.copies_after, found.answers.errors),
            (0, 0),
            "{kind:?}: {found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_that_is_owed_leaves_no_copy() {
    let mut server = Server::start();
    let cache = server.cache();
    cache.scope(warm(|| cloned(7))).await;
    server.kill();
    cache.scope(cloned::invalidate(7)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(cache.scope(observe(cloned(7))).await.1, Seen::Bypassed);
    }
}

const FORBIDDEN: &str =
    "near::where_nothing_is_tracked_there_are_no_copies_and_one_warning_says_so";

#[test]
fn where_nothing_is_tracked_there_are_no_copies_and_one_warning_says_so() {
    if is_own_process(FORBIDDEN) {
        tracing_subscriber::fmt().with_ansi(false).init();
        let cache = Cache::open(&std::env::var("CACHE").unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(cache.scope(async {
            for id in 0..3 {
                let stored = [Seen::Loaded, Seen::Stored, Seen::Stored];
                assert_eq!(seen(|| cloned(id)).await, stored);
                assert_eq!(cloned(id).await, Ok(Some(user(id))));
            }
        }));
        return;
    }
    let by_acl = Server::start();
    by_acl.cli(&["ACL", "SETUSER", by_acl.user(), "-client"]);
    let before_resp3 = Server::start_with(&["--rename-command", "HELLO", ""]);
    warns_once(&by_acl.url());
    warns_once(&before_resp3.url());
    #[cfg(feature = "cluster")]
    warns_once(&crate::support::Cluster::start().url());
}

fn warns_once(url: &str) {
    let output = in_own_process(FORBIDDEN, &[("CACHE", url)]);
    let warned = output.matches("no copies are kept in this process").count();
    assert_eq!(warned, 1, "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_load_of_another_process_is_woken_when_it_is_stored() {
    static STORED: std::sync::Mutex<Option<Instant>> = std::sync::Mutex::new(None);
    #[read_through(name = "slow", ttl = 60)]
    async fn slow(id: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        id
    }
    let server = Server::start();
    // As another process: a cache of its own shares nothing but the server.
    let (leader, follower) = (server.patient(), server.patient());
    let _listening = leader.on_event(|event| {
        if event.kind == EventKind::Filled {
            *STORED.lock().unwrap() = Some(Instant::now());
        }
    });
    let mut delays = Vec::new();
    for id in 0..15 {
        let loading = leader.scope(slow(id));
        let waiting = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (value, seen) = follower.scope(observe(slow(id))).await;
            assert_eq!((value, seen), (id, Seen::Joined));
            Instant::now()
        };
        let (_, answered) = tokio::join!(loading, waiting);
        let stored = STORED.lock().unwrap().take().unwrap();
        delays.push(answered.saturating_duration_since(stored));
    }
    delays.sort();
    // By then polls are 25 to 75 ms apart, so that half of those who poll wait for 20 and more.
    assert!(delays[7] < Duration::from_millis(12), "{delays:?}");
}
