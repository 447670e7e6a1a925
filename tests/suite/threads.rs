//! Who may call: any thread, with a runtime or without, of any kind.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Invalidated, read_through};

use crate::support::{Server, runtime};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[read_through(key = "who", ttl = 60)]
fn run(who: &str) -> usize {
    RUNS.fetch_add(1, Relaxed);
    who.len()
}

fn runs_once_and_again_after_its_invalidation(cache: &Cache, who: &str) {
    let _inside = cache.enter();
    let before = cache.stats().functions().first().map_or(0, |of| of.stored);
    assert_eq!(run(who), who.len());
    assert_eq!(run(who), who.len());
    assert_eq!(run::peek(who).unwrap(), Some(who.len()));
    run::put(who, &77_usize).unwrap();
    assert_eq!(run(who), 77);
    assert_eq!(run::refresh(who), who.len());
    assert_eq!(run::uncached(who), who.len());
    assert_eq!(run::invalidate(who).unwrap(), Invalidated::Removed);
    assert_eq!(run(who), who.len());
    assert_eq!(cache.stats().functions()[0].stored - before, 3);
}

#[test]
fn a_sync_function_works_with_any_runtime_and_without() {
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        runs_once_and_again_after_its_invalidation(&cache, "no runtime");
        cache.blocking().ping().unwrap();

        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            runs_once_and_again_after_its_invalidation(&cache, "current thread");
            // One that has neither I/O nor time of its own, either.
            cache.blocking().ping().unwrap();
        });

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let inside = cache.clone();
        runtime.block_on(async {
            tokio::spawn(async move {
                runs_once_and_again_after_its_invalidation(&inside, "worker");
            })
            .await
            .unwrap();
        });

        std::thread::scope(|threads| {
            for n in 0..32 {
                let cache = &cache;
                threads.spawn(move || {
                    let _inside = cache.enter();
                    assert_eq!(run(&format!("thread {n:02}")), 9);
                });
            }
        });
    }
}

#[test]
fn an_async_function_works_on_any_executor() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let server = Server::start();
    let cache = server.cache();
    // One cache, twenty runtimes after each other: none leaves anything that the next trips over.
    for n in 0..20 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(
            runtime.block_on(cache.scope(square(n % 2))),
            (n % 2) * (n % 2)
        );
    }
    assert_eq!(pollster::block_on(cache.scope(square(1))), 1);
    let stats = cache.stats();
    assert_eq!(stats.functions()[0].misses, 2);
    assert_eq!(stats.functions()[0].hits, 19);
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_stop_the_cache() {
    #[read_through(ttl = 60)]
    async fn slow(n: u64) -> u64 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        n
    }

    let server = Server::start();
    let cache = server.cache();
    cache
        .scope(async { assert_eq!(slow(1).await + slow(1).await, 2) })
        .await;
    assert_eq!(cache.stats().functions()[0].hits, 1);
}

#[test]
fn one_cache_serves_many_runtimes_at_once_and_after_each_other() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let server = Server::start();
    let cache = server.cache();
    let on_a_runtime = |n: u64| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let call = cache.scope(square(n));
        assert_eq!(runtime.block_on(runtime.spawn(call)).unwrap(), n * n);
    };
    for n in 0..20 {
        on_a_runtime(n % 2);
    }
    std::thread::scope(|threads| {
        for n in 0..20 {
            threads.spawn(move || on_a_runtime(n % 2));
        }
    });
    let stats = cache.stats();
    let of = &stats.functions()[0];
    assert_eq!((of.misses, of.hits, of.bypassed), (2, 38, 0));
}

#[test]
fn a_lane_ends_with_its_runtime() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let server = Server::start();
    let cache = server.cache();
    let clients = || server.cli(&["CLIENT", "LIST"]).lines().count();
    // What calls on the I/O thread use stays.
    pollster::block_on(cache.scope(square(10)));
    let before = clients();
    for n in 0..10 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let call = cache.scope(square(n));
        runtime.block_on(runtime.spawn(call)).unwrap();
    }
    // The server hears of a closed socket in its next turn.
    while clients() > before {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_runtime_without_reactor_or_timers_is_served_by_the_io_thread() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let mut with = [(); 3].map(|()| tokio::runtime::Builder::new_multi_thread());
    with[1].enable_time();
    with[2].enable_io();
    let server = Server::start();
    for mut with in with {
        let cache = server.cache();
        let runtime = with.build().unwrap();
        for n in 0..4 {
            let call = cache.scope(square(n % 2));
            assert_eq!(runtime.block_on(runtime.spawn(call)).unwrap(), n % 2);
        }
        let stats = cache.stats();
        let of = &stats.functions()[0];
        assert!(of.hits >= 2 && of.bypassed == 0, "{with:?}: {stats}");
    }
}

#[test]
fn a_runtime_that_ends_while_calls_come_is_not_kept_from_ending() {
    #[read_through(ttl = 60)]
    async fn square(n: u64) -> u64 {
        n * n
    }

    let server = Server::start();
    let (ended, ends) = mpsc::channel();
    let cache = server.cache();
    std::thread::spawn(move || {
        for _ in 0..20 {
            let runtime = runtime();
            runtime.spawn(cache.scope(async move {
                loop {
                    square(3).await;
                    // The runtime begins to end meanwhile, and the next call comes to it then.
                    std::thread::sleep(Duration::from_millis(5));
                }
            }));
            std::thread::sleep(Duration::from_millis(12));
            drop(runtime);
            ended.send(()).unwrap();
        }
    });
    for _ in 0..20 {
        assert_eq!(
            ends.recv_timeout(Duration::from_secs(10)),
            Ok(()),
            "it hangs"
        );
    }
}

/// Each thread reads keys of its own again and again; every answer is checked.
fn read_by_threads(cache: &Cache, threads: usize, rounds: usize) {
    #[read_through(name = "by-threads", ttl = 60)]
    fn double(n: usize) -> usize {
        2 * n
    }
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let _inside = cache.enter();
                for round in 0..rounds {
                    let n = thread * 10 + round % 10;
                    assert_eq!(double(n), 2 * n);
                }
            });
        }
    });
}

fn calls_of(server: &Server, command: &str) -> u64 {
    let stats = server.cli(&["INFO", "commandstats"]);
    let line = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|of| of.trim().strip_prefix(&line));
    calls.map_or(0, |of| of.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn reads_of_many_threads_travel_together_and_each_gets_its_own() {
    let server = Server::start();
    let cache = server.cache();
    // The connection for threads is made behind the first of them, beside those of the lanes.
    let begun = Instant::now();
    while server.connections() < 3 {
        read_by_threads(&cache, 16, 10);
        assert!(begun.elapsed() < Duration::from_secs(5), "none is made");
    }
    let before = calls_of(&server, "mget") + calls_of(&server, "get");
    read_by_threads(&cache, 16, 500);
    let commands = calls_of(&server, "mget") + calls_of(&server, "get") - before;
    assert!(
        commands < 16 * 500 / 2,
        "{commands} commands for 8000 reads"
    );
    assert_eq!(cache.stats().function("by-threads").unwrap().loads, 160);
}

#[test]
fn threads_whose_connection_is_cut_read_on_without_an_error() {
    let server = Server::start();
    let cache = server.cache();
    read_by_threads(&cache, 8, 10);
    for _ in 0..5 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        read_by_threads(&cache, 8, 50);
    }
    let stats = cache.stats();
    assert_eq!(stats.function("by-threads").unwrap().bypassed, 0);
}

#[test]
fn a_shutdown_while_the_connection_for_threads_is_made_leaves_none() {
    #[read_through(name = "shut-down", ttl = 60)]
    fn value(n: usize) -> usize {
        n
    }

    let server = Server::start();
    let before = server.connections();
    for _ in 0..50 {
        let cache = server.cache();
        // The lanes are there, so the call is faster than the connection that it asks for.
        cache.blocking().get::<usize>("nothing").unwrap();
        {
            let _inside = cache.enter();
            value(1);
        }
        cache.blocking().shutdown();
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        while server.connections() > before {
            assert!(began.elapsed() < Duration::from_secs(3), "it is left open");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
