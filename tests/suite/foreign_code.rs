//! Code of the caller's that the cache runs, a waker, a listener, what counts: it panics or blocks, and costs
//! its own call at most.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, EventKind, Seen, observe, read_through};
use futures_util::future::join_all;

use crate::support::{Server, runtime, until_back};

/// As long as nobody waits for who is well.
const SOON: Duration = Duration::from_secs(5);

/// A waker that says on which thread it was called, and then never returns as it should.
struct Harmful {
    tell: mpsc::Sender<String>,
    blocks: bool,
}

impl Wake for Harmful {
    fn wake(self: Arc<Self>) {
        let thread = std::thread::current();
        // Nobody listens any more at the end of the test.
        let _ = self.tell.send(thread.name().unwrap_or_default().to_owned());
        if self.blocks {
            std::thread::sleep(Duration::from_secs(3600));
        }
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

fn harmful(blocks: bool) -> (Waker, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    (Arc::new(Harmful { tell, blocks }).into(), told)
}

type Call = Pin<Box<dyn Future<Output = u64> + Send>>;

/// Polls a call that has to wait.
fn begin(call: &mut Call, waker: &Waker) {
    let polled = call.as_mut().poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

#[read_through(name = "led", key = "n", ttl = 60, follow = "50ms")]
async fn led(n: u64) -> u64 {
    std::future::pending::<()>().await;
    n
}

#[read_through(name = "double", key = "n", ttl = 60)]
async fn double(n: u64) -> u64 {
    2 * n
}

/// The timers of the I/O thread wake who waits, and so does its answer.
#[test]
fn harmful_wakers_leave_the_io_thread_alone() {
    let server = Server::start();
    let cache = server.patient();
    cache.blocking().ping().unwrap();
    for blocks in [false, true] {
        let (waker, woken) = harmful(blocks);
        let mut leader: Call = Box::pin(cache.clone().scope(led(u64::from(blocks))));
        // Until the body runs.
        let began = Instant::now();
        while cache
            .stats()
            .function("led")
            .is_none_or(|of| of.loads == u64::from(blocks))
        {
            begin(&mut leader, Waker::noop());
            assert!(began.elapsed() < SOON);
        }
        let mut follower: Call = Box::pin(cache.clone().scope(led(u64::from(blocks))));
        begin(&mut follower, &waker);
        assert_eq!(woken.recv_timeout(SOON).unwrap(), "cache-aside");
        let mut reader: Call = Box::pin(cache.clone().scope(double(1)));
        begin(&mut reader, &waker);
        assert_eq!(woken.recv_timeout(SOON).unwrap(), "cache-aside");

        let began = Instant::now();
        cache.blocking().ping().unwrap();
        let answer = pollster::block_on(cache.scope(slow_led_by_nobody(blocks)));
        assert_eq!(answer, 7);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
}

/// It waits for a timer of the I/O thread, for 20 ms.
async fn slow_led_by_nobody(key: bool) -> u64 {
    #[read_through(name = "slow", key = "key", ttl = 60, follow = "20ms")]
    async fn slow(key: bool, ends: bool) -> u64 {
        if !ends {
            std::future::pending::<()>().await;
        }
        7 + u64::from(key) - u64::from(key)
    }
    let mut leader = Box::pin(slow(key, false));
    let begin = |context: &mut Context<'_>| Poll::Ready(leader.as_mut().poll(context));
    assert!(std::future::poll_fn(begin).await.is_pending());
    slow(key, true).await
}

/// Those who read together share a connection, and what one is answered by wakes the others.
#[test]
fn a_harmful_waker_costs_no_other_caller() {
    let server = Server::start();
    let cache = server.patient();
    let runtime = runtime();
    runtime.block_on(cache.scope(async { join_all((0..50).map(double)).await }));
    let ids = || {
        let clients = server.cli(&["CLIENT", "LIST", "TYPE", "normal"]);
        let ours = clients.lines().filter(|line| !line.contains("redis-cli"));
        let id = |line: &str| line.split(' ').next().unwrap().to_owned();
        let mut ids: Vec<_> = ours
            .filter(|line| !line.contains("cmd=client"))
            .map(id)
            .collect();
        ids.sort();
        ids
    };
    let before = ids();
    for round in 0..10 {
        let (waker, woken) = harmful(false);
        {
            let _inside = runtime.enter();
            let mut calls: Vec<Call> = (0..4)
                .map(|n| Box::pin(cache.clone().scope(double(n))) as Call)
                .collect();
            // A lone one may be answered at once.
            let poll = |call: &mut Call| call.as_mut().poll(&mut Context::from_waker(&waker));
            let waiting = calls
                .iter_mut()
                .filter_map(|call| poll(call).is_pending().then_some(()));
            let waiting = waiting.count();
            let answers =
                runtime.block_on(cache.scope(join_all((0..50).map(|n| observe(double(n))))));
            for (n, answer) in (0..).zip(answers) {
                assert_eq!(answer, (2 * n, Seen::Stored), "round {round}");
            }
            for _ in 0..waiting {
                woken.recv_timeout(SOON).unwrap();
            }
        }
        let now = ids();
        assert!(
            before.iter().all(|id| now.contains(id)),
            "{before:?}, {now:?}"
        );
    }
}

#[test]
fn a_listener_that_blocks_keeps_nobody_waiting() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let mut server = Server::start();
    let cache = server.cache();
    let runtime = runtime();
    let (tell, told) = mpsc::channel();
    let _listening = cache.on_event(move |event| {
        if event.kind == EventKind::Lost && !TOLD.swap(true, Relaxed) {
            tell.send(()).unwrap();
            std::thread::sleep(Duration::from_secs(3600));
        }
    });
    runtime.block_on(cache.ping()).unwrap();
    server.kill();
    let began = Instant::now();
    while told.try_recv().is_err() {
        assert_eq!(runtime.block_on(cache.scope(double(3))), 6);
        assert!(began.elapsed() < SOON, "it is never told");
    }
    server.restart();
    runtime.block_on(until_back(&cache));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        tell.send(()).unwrap();
    });
    assert_eq!(told.recv_timeout(SOON), Ok(()), "the runtime never ends");
}

#[cfg(feature = "metrics")]
mod recorder {
    use std::cell::Cell;
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
        Recorder, SharedString, Unit,
    };

    use super::*;
    use crate::support::{in_own_process, is_own_process};

    /// Asks the very cache that it counts for a value, and then panics.
    struct Harmful;

    static COUNTED: Mutex<Option<Cache>> = Mutex::new(None);

    thread_local! {
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }

    static CALLS: AtomicU64 = AtomicU64::new(0);

    impl Harmful {
        fn call(&self) {
            if INSIDE.replace(true) {
                return;
            }
            let cache = COUNTED.lock().unwrap().clone();
            if let Some(cache) = cache {
                CALLS.fetch_add(1, Relaxed);
                let _inside = cache.enter();
                let _ = cache.blocking().get::<u64>("any");
                read();
            }
            INSIDE.set(false);
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }

    #[read_through(name = "read", key = (), ttl = 60)]
    fn read() -> u64 {
        7
    }

    impl CounterFn for Harmful {
        fn increment(&self, _: u64) {
            self.call();
        }

        fn absolute(&self, _: u64) {}
    }

    impl GaugeFn for Harmful {
        fn increment(&self, _: f64) {}

        fn decrement(&self, _: f64) {}

        fn set(&self, _: f64) {
            self.call();
        }
    }

    impl HistogramFn for Harmful {
        fn record(&self, _: f64) {
            self.call();
        }
    }

    impl Recorder for Harmful {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            self.call();
            Counter::from_arc(Arc::new(Self))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Arc::new(Self))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(Self))
        }
    }

    const RECORDER: &str = "foreign_code::recorder::a_harmful_recorder_costs_nobody_anything";

    #[test]
    fn a_harmful_recorder_costs_nobody_anything() {
        if !is_own_process(RECORDER) {
            in_own_process(RECORDER, &[]);
            return;
        }
        metrics::set_global_recorder(Harmful).unwrap();
        let (tell, told) = mpsc::channel();
        let test = std::thread::spawn(move || {
            let mut server = Server::start();
            let (on_server, in_memory) = (server.cache(), Cache::in_memory());
            let runtime = runtime();
            for cache in [&in_memory, &on_server] {
                *COUNTED.lock().unwrap() = Some(cache.clone());
                let value =
                    runtime.block_on(cache.scope(async { double(1).await + double(1).await }));
                assert_eq!(value, 4);
                runtime
                    .block_on(cache.scope(double::invalidate(1)))
                    .unwrap();
            }
            server.kill();
            let queued = runtime.block_on(on_server.scope(double::invalidate(1)));
            assert_eq!(queued.unwrap(), cache_runtime::Invalidated::Queued);
            server.restart();
            runtime.block_on(until_back(&on_server));
            tell.send(()).unwrap();
        });
        if told.recv_timeout(4 * SOON).is_err() && !test.is_finished() {
            panic!("somebody waits for the recorder");
        }
        test.join().unwrap();
        assert!(CALLS.load(Relaxed) > 10);
    }
}
