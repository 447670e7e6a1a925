//! What a server that forbids scripts loses nothing of: transactions keep the promises instead.

use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Seen, observe, read_through};
use futures_util::future::join_all;

use crate::proxy::refusing;
use crate::support::{
    BUSY_SOON, Monitor, Sent, Server, acl, is_own_process, patient, tell, together, until_back,
    wait_to_go,
};

#[read_through(name = "square", ttl = 60)]
async fn square(n: u64) -> u64 {
    n * n
}

fn server() -> Server {
    server_with(&[])
}

fn server_with(arguments: &[&str]) -> Server {
    let user = acl::of_no_scripts();
    let user: Vec<_> = user.iter().map(String::as_str).collect();
    Server::start_with(&[arguments, &user].concat())
}

fn url(port: u16) -> String {
    format!("redis://{}127.0.0.1:{port}", acl::login())
}

fn cache(server: &Server) -> Cache {
    patient(&url(server.port()))
}

/// Its SET compares, since Redis 8.4: then it needs no transaction for most.
fn has_if_equal(words: &[String]) -> bool {
    words.iter().any(|of| of == "IFEQ")
}

/// As a server before that.
fn cache_by_transactions(server: &Server) -> Cache {
    patient(&url(refusing(server.port(), has_if_equal)))
}

fn stored_and_refused(cache: &Cache, function: &str) -> (u64, u64) {
    let stats = cache.stats();
    let of = stats.function(function).unwrap();
    assert_eq!((of.bypassed, of.store_failed), (0, 0));
    (of.stored, of.refused)
}

#[tokio::test]
async fn a_load_that_an_invalidation_overtakes_stores_nothing() {
    #[read_through(name = "overtaken", ttl = 60)]
    async fn overtaken(n: u64) -> u64 {
        overtaken::invalidate(n).await.unwrap();
        n
    }
    static OVERTAKES: AtomicBool = AtomicBool::new(false);
    #[read_through(name = "refreshed", ttl = 60, stale = "60s")]
    async fn refreshed(n: u64) -> u64 {
        if OVERTAKES.load(Relaxed) {
            refreshed::invalidate(n).await.unwrap();
        }
        n
    }

    let server = server();
    let cache = cache(&server);
    let story = async {
        assert_eq!(overtaken(7).await, 7);
        assert_eq!(overtaken::peek(7).await.unwrap(), None);
        assert_eq!(refreshed(7).await, 7);
        OVERTAKES.store(true, Relaxed);
        assert_eq!(refreshed::refresh(7).await, 7);
        assert_eq!(refreshed::peek(7).await.unwrap(), None);
    };
    cache.scope(story).await;
    assert_eq!(stored_and_refused(&cache, "overtaken"), (0, 1));
    assert_eq!(stored_and_refused(&cache, "refreshed"), (1, 1));
    assert_eq!(server.keys(), [""; 0]);
}

const STAMPEDE: &str = "watched::processes_that_miss_together_load_once";

#[test]
fn processes_that_miss_together_load_once() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "slow", ttl = 60)]
    async fn slow(n: u64) -> u64 {
        BODIES.fetch_add(1, Relaxed);
        // Longer than the other processes take to miss.
        tokio::time::sleep(Duration::from_millis(500)).await;
        n
    }

    if !is_own_process(STAMPEDE) {
        let server = server();
        let told = together(STAMPEDE, 3, &[("URL", &url(server.port()))]);
        assert_eq!(told.sum("bodies"), 1);
        return;
    }
    let cache = patient(&std::env::var("URL").unwrap());
    wait_to_go();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let calls = join_all((0..100).map(|_| cache.scope(slow(7))));
    assert_eq!(runtime.block_on(calls), [7; 100]);
    tell("bodies", BODIES.load(Relaxed));
}

/// A proxy that stands still at the second step of a transaction that stores until it is told to go on,
/// and says when it does. Before Redis 7.0 that is SET with XX, and later SETEX.
struct Gate {
    reached: Receiver<()>,
    go_on: Sender<()>,
    port: u16,
}

/// What comes at all has come by then.
const SOON: Duration = Duration::from_secs(10);

type Ends = (Mutex<Sender<()>>, Mutex<Receiver<()>>);

/// One for each test that has one: what the proxy does is a plain function.
macro_rules! gate {
    ($server:expr) => {{
        static ENDS: OnceLock<Ends> = OnceLock::new();
        fn stands_still(words: &[String]) -> bool {
            if words[2] == "SETEX" || words.iter().any(|word| word == "XX") {
                let (reach, may_go_on) = ENDS.get().unwrap();
                let _ = reach.lock().unwrap().send(());
                let _ = may_go_on.lock().unwrap().recv();
            }
            has_if_equal(words)
        }
        let ((reach, reached), (go_on, may_go_on)) = (channel(), channel());
        assert!(ENDS.set((Mutex::new(reach), Mutex::new(may_go_on))).is_ok());
        let port = refusing($server.port(), stands_still);
        Gate {
            reached,
            go_on,
            port,
        }
    }};
}

/// The step before has seen the lease of the key, and so it is decided that the value is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_an_invalidation_comes_into_stores_nothing() {
    let server = server();
    let gate = gate!(&server);
    let cache = patient(&url(gate.port));
    let call = tokio::spawn(cache.scope(square(7)));
    gate.reached.recv_timeout(SOON).unwrap();
    assert_eq!(server.cli(&["UNLINK", "cache:square:7"]), "1");
    gate.go_on.send(()).unwrap();
    assert_eq!(call.await.unwrap(), 49);
    assert_eq!(stored_and_refused(&cache, "square"), (0, 1));
    assert_eq!(server.keys(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_a_heartbeat_comes_into_stores_all_the_same() {
    let server = server();
    let gate = gate!(&server);
    let cache = patient(&url(gate.port));
    let call = tokio::spawn(cache.scope(square(7)));
    gate.reached.recv_timeout(SOON).unwrap();
    assert_eq!(server.cli(&["PEXPIRE", "cache:square:7", "3000"]), "1");
    gate.go_on.send(()).unwrap();
    // Once more.
    gate.reached.recv_timeout(SOON).unwrap();
    gate.go_on.send(()).unwrap();
    assert_eq!(call.await.unwrap(), 49);
    assert_eq!(stored_and_refused(&cache, "square"), (1, 0));
    assert_eq!(server.cli(&["GET", "cache:square:7"]), "49");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_half_way_locks_nothing_and_disturbs_nobody() {
    let server = server();
    let gate = gate!(&server);
    let cache = patient(&url(gate.port));
    let call = tokio::spawn(cache.scope(square(7)));
    gate.reached.recv_timeout(SOON).unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // From here on nobody is kept.
    drop(gate.go_on);
    let began = Instant::now();
    assert_eq!(cache.scope(square(7)).await, 49);
    assert!(began.elapsed() < Duration::from_secs(1), "{began:?}");
    for n in 8..20 {
        assert_eq!(cache.scope(square(n)).await, n * n);
        assert_eq!(cache.scope(square::peek(n)).await.unwrap(), Some(n * n));
    }
}

/// The watch of what turned out not to be there any more is not ended by itself.
#[tokio::test]
async fn what_one_transaction_watched_does_not_undo_the_next_one() {
    #[read_through(name = "overtaken", ttl = 60)]
    async fn overtaken(n: u64) -> u64 {
        overtaken::invalidate(n).await.unwrap();
        n
    }

    let server = server();
    let cache = cache_by_transactions(&server);
    cache.scope(overtaken(7)).await;
    server.cli(&["SET", "cache:overtaken:7", "8"]);
    let monitor = Monitor::of(&server);
    cache.scope(square(7)).await;
    let sent = monitor.end(&server);
    let stores = |sent: &&Sent| {
        sent.command.contains("\"cache:square:7\" \"60\"") || sent.command.contains("\"XX\"")
    };
    assert_eq!(sent.iter().filter(stores).count(), 1, "{sent:#?}");
    assert_eq!(stored_and_refused(&cache, "square"), (1, 0));
}

/// Those who come together go together, and each is stored or refused for himself.
#[tokio::test]
async fn of_a_crowd_of_misses_all_are_stored_but_those_overtaken() {
    #[read_through(name = "crowded", ttl = 60)]
    async fn crowded(n: u64) -> u64 {
        if n.is_multiple_of(3) {
            crowded::invalidate(n).await.unwrap();
        }
        n
    }

    let server = server();
    let cache = cache(&server);
    let calls = join_all((0..999).map(|n| cache.scope(crowded(n))));
    assert_eq!(calls.await, (0..999).collect::<Vec<_>>());
    assert_eq!(stored_and_refused(&cache, "crowded"), (666, 333));
    for n in 0..999 {
        let stored = cache.scope(crowded::peek(n)).await.unwrap();
        assert_eq!(stored, (!n.is_multiple_of(3)).then_some(n));
    }
    let connections = server.connections();
    assert!(connections < 16, "{connections}");
}

#[tokio::test]
async fn a_server_that_freezes_before_a_value_is_stored_costs_one_deadline() {
    static FREEZES: Mutex<Option<Arc<Server>>> = Mutex::new(None);
    #[read_through(name = "freezing", ttl = 60)]
    async fn freezing(n: u64) -> u64 {
        if let Some(server) = FREEZES.lock().unwrap().take() {
            server.freeze();
        }
        n
    }

    let server = Arc::new(server());
    let cache = Cache::open(&url(server.port())).unwrap();
    cache.scope(freezing(0)).await;
    *FREEZES.lock().unwrap() = Some(server.clone());
    let began = Instant::now();
    assert_eq!(cache.scope(freezing(1)).await, 1);
    let late = began.elapsed();
    server.thaw();
    // One answer is waited for; the rest is a slow machine.
    assert!(late < Duration::from_millis(100) * 3, "{late:?}");
    // The connection for reads may still be waiting for what it was asked meanwhile.
    let until_hit = async { while cache.scope(observe(freezing(0))).await.1 != Seen::Stored {} };
    let until_hit = tokio::time::timeout(Duration::from_secs(5), until_hit);
    until_hit.await.expect("it is used again");
}

#[tokio::test]
async fn a_server_that_is_busy_before_a_value_is_stored_keeps_the_fence_of_later_ones() {
    static SCRIPT: Mutex<Option<Child>> = Mutex::new(None);
    #[read_through(name = "busy", key = "n", ttl = 60)]
    async fn busy(n: u64, server: &Server) -> u64 {
        *SCRIPT.lock().unwrap() = Some(server.begin_script());
        n
    }
    #[read_through(name = "overtaken", ttl = 60)]
    async fn overtaken(n: u64) -> u64 {
        overtaken::invalidate(n).await.unwrap();
        n
    }

    let server = server_with(BUSY_SOON);
    let cache = cache(&server);
    // That scripts are forbidden is known from here on.
    cache.scope(square(7)).await;
    assert_eq!(cache.scope(busy(7, &server)).await, 7);
    server.end_script(SCRIPT.lock().unwrap().take().unwrap());
    let stats = cache.stats();
    assert_eq!(
        stats.function("busy").unwrap().store_failed,
        1,
        "it was tried"
    );
    until_back(&cache).await;
    assert_eq!(cache.scope(overtaken(7)).await, 7);
    assert_eq!(stored_and_refused(&cache, "overtaken"), (0, 1));
    assert_eq!(cache.scope(overtaken::peek(7)).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_restarted_unnoticed_costs_no_value() {
    let mut server = server();
    let cache = cache(&server);
    cache.scope(square(1)).await;
    server.kill();
    server.restart();
    cache.scope(square(2)).await;
    assert_eq!(stored_and_refused(&cache, "square"), (2, 0));
}
