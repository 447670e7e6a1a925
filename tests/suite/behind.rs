//! What goes on after its caller left: refreshes of stale values.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, read_through};
use futures_util::future::join_all;

use crate::support::{Server, is_own_process, tell, together, wait_to_go};

/// Long enough to be past the ttl of the functions here.
async fn past_the_ttl(cache: &Cache) {
    tokio::time::sleep(Duration::from_millis(60)).await;
    cache.advance(Duration::from_millis(60));
}

/// Waits for what happens behind.
async fn until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "it never happens"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const ONCE: &str = "behind::a_source_that_fails_is_asked_once_per_retry_by_the_whole_fleet";

#[test]
fn a_source_that_fails_is_asked_once_per_retry_by_the_whole_fleet() {
    const RETRY: Duration = Duration::from_millis(400);
    const RUN: Duration = Duration::from_millis(1500);
    static BODIES: AtomicU64 = AtomicU64::new(0);
    static FAILS: AtomicBool = AtomicBool::new(true);
    #[read_through(name = "failing", ttl = "50ms", stale = "1h")]
    async fn load() -> Result<u64, ()> {
        BODIES.fetch_add(1, Relaxed);
        if FAILS.load(Relaxed) { Err(()) } else { Ok(7) }
    }

    let runtime = tokio::runtime::Runtime::new().unwrap();
    if !is_own_process(ONCE) {
        let server = Server::start();
        FAILS.store(false, Relaxed);
        let first = runtime.block_on(server.patient().scope(load()));
        assert_eq!(first, Ok(7));
        let told = together(ONCE, 4, &[("URL", &server.url())]);
        let rounds = told.sum("bodies");
        let most = RUN.as_millis() / RETRY.as_millis() + 2;
        assert!(
            (2..=u64::try_from(most).unwrap()).contains(&rounds),
            "{rounds} bodies"
        );
        return;
    }
    let url = std::env::var("URL").unwrap();
    let cache = Cache::new(Config::new(url).retry(RETRY)).unwrap();
    wait_to_go();
    runtime.block_on(cache.scope(async {
        past_the_ttl(&cache).await;
        let start = Instant::now();
        while start.elapsed() < RUN {
            let answers = join_all((0..25).map(|_| load())).await;
            assert!(answers.iter().all(|answer| *answer == Ok(7)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }));
    tell("bodies", BODIES.load(Relaxed));
}

#[test]
fn the_body_of_a_refresh_runs_where_its_caller_runs() {
    static THREADS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn note() -> u64 {
        assert!(tokio::runtime::Handle::try_current().is_ok());
        let mut threads = THREADS.lock().unwrap();
        threads.push(std::thread::current().name().unwrap_or_default().to_owned());
        threads.len() as u64
    }
    #[read_through(ttl = "50ms", stale = "1h")]
    async fn load() -> u64 {
        note()
    }
    #[read_through(ttl = "50ms", stale = "1h")]
    fn load_sync() -> u64 {
        note()
    }

    let server = Server::start();
    let cache = server.patient();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("of the caller")
        .enable_all()
        .build()
        .unwrap();
    let inside = cache.clone();
    runtime.block_on(async {
        let calls = cache.scope(async move {
            load().await;
            load_sync();
            past_the_ttl(&inside).await;
            load().await;
            load_sync();
            until(|| THREADS.lock().unwrap().len() == 4).await;
        });
        tokio::spawn(calls).await.unwrap();
    });
    let threads = std::mem::take(&mut *THREADS.lock().unwrap());
    assert_eq!(threads[..2], ["of the caller"; 2]);
    let mut refreshes = threads[2..].to_vec();
    refreshes.sort();
    // It may block, so it has a thread of its own, inside of the runtime.
    assert_eq!(refreshes, ["cache-behind", "of the caller"]);
}

#[tokio::test]
async fn no_more_refreshes_run_at_once_than_configured() {
    static RUNNING: AtomicU64 = AtomicU64::new(0);
    static MOST: AtomicU64 = AtomicU64::new(0);
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(key = "key", ttl = "50ms", stale = "1h")]
    async fn load(key: u64, slow: bool) -> u64 {
        BODIES.fetch_add(1, SeqCst);
        if slow {
            let running = RUNNING.fetch_add(1, SeqCst) + 1;
            MOST.fetch_max(running, SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            RUNNING.fetch_sub(1, SeqCst);
        }
        key
    }

    let server = Server::start();
    let cache = Cache::new(server.config().max_refreshes(2)).unwrap();
    cache
        .scope(async {
            join_all((0..6).map(|key| load(key, false))).await;
            past_the_ttl(&cache).await;
            // All stale: two are refreshed behind, the others are served as they are.
            join_all((0..6).map(|key| load(key, true))).await;
            until(|| RUNNING.load(SeqCst) == 0 && BODIES.load(SeqCst) == 8).await;
            assert_eq!(MOST.load(SeqCst), 2);
            // And those have their turn later.
            past_the_ttl(&cache).await;
            until(|| cache.stats().functions()[0].stored == 8).await;
            join_all((0..6).map(|key| load(key, true))).await;
            until(|| BODIES.load(SeqCst) == 10).await;
        })
        .await;
}

#[tokio::test]
async fn shutdown_waits_for_what_goes_on_behind() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "drained", ttl = "50ms", stale = "1h")]
    async fn load() -> u64 {
        if BODIES.fetch_add(1, Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        BODIES.load(Relaxed)
    }

    let server = Server::start();
    let cache = server.patient();
    cache
        .scope(async {
            assert_eq!(load().await, 1);
            past_the_ttl(&cache).await;
            assert_eq!(load().await, 1);
        })
        .await;
    cache.shutdown().await;
    assert_eq!(server.cli(&["GET", "cache:drained"]), "2");
}

#[tokio::test]
async fn of_many_callers_of_a_stale_value_one_refreshes() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = "50ms", stale = "1h")]
    async fn load() -> u64 {
        let body = BODIES.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        body
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        BODIES.store(0, Relaxed);
        cache
            .scope(async {
                load().await;
                past_the_ttl(&cache).await;
                let answers = join_all((0..200).map(|_| load())).await;
                assert_eq!(answers, vec![0; 200]);
                until(|| cache.stats().functions()[0].stored == 2).await;
                assert_eq!(load().await, 1);
                assert_eq!(BODIES.load(Relaxed), 2);
            })
            .await;
    }
}

#[tokio::test]
async fn past_ttl_and_stale_a_value_is_gone() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = "10s", stale = "20s")]
    async fn load() -> u64 {
        BODIES.fetch_add(1, Relaxed)
    }

    let cache = Cache::in_memory();
    cache
        .scope(async {
            load().await;
            cache.advance(Duration::from_secs(9));
            load().await;
            assert_eq!(cache.stats().functions()[0].hits, 1);
            cache.advance(Duration::from_secs(21));
            assert_eq!(load().await, 1);
            assert_eq!(cache.stats().functions()[0].stale, 0);
        })
        .await;
}

/// As that of a process that stood still past its claim, while another process stored a newer value.
#[tokio::test]
async fn late_refreshes_remove_no_newer_value() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    static IN_BODY: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);
    static MAY_END: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);
    #[read_through(name = "late", ttl = "50ms", stale = "1h")]
    async fn load() -> u64 {
        let body = BODIES.fetch_add(1, Relaxed);
        if body % 2 == 1 {
            IN_BODY.add_permits(1);
            MAY_END.acquire().await.unwrap().forget();
        }
        body
    }

    let server = Server::start();
    let memory = Cache::in_memory();
    for [late, other] in [
        [server.patient(), server.patient()],
        [memory.clone(), memory],
    ] {
        late.scope(load()).await;
        past_the_ttl(&late).await;
        late.scope(load()).await;
        IN_BODY.acquire().await.unwrap().forget();
        other.scope(load::put(&70)).await.unwrap();
        MAY_END.add_permits(1);
        // It is over once another refresh may begin.
        until(|| late.stats().functions()[0].refused == 1).await;
        past_the_ttl(&late).await;
        assert_eq!(other.scope(load::peek()).await.unwrap(), Some(70));
    }
}
