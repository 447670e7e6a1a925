//! A process that cannot have another thread: bodies run, one warning says so, and it is tried again.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, Seen, blocking, observe, read_through};

use crate::support::{
    Server, free_port, in_own_process, is_own_process, patient, runtime, until_back,
};

const SOON: Duration = Duration::from_secs(5);

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "plain", key = "n", ttl = 60)]
fn plain(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "later", key = "n", ttl = 60)]
async fn later(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "slow", key = (), ttl = 60)]
fn slow(body: impl Fn()) -> u64 {
    body();
    7
}

/// Bounds the room of this process, in bytes. The stack of a thread has to fit.
const SET_ROOM: &str = r#"prlimit --pid "$1" --as="$2:""#;

/// Once it is told to: what takes away the room takes that for another process, too.
fn will_set_room(bytes: &str) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("read -r go; {SET_ROOM}"), "sh"]);
    shell.args([&std::process::id().to_string(), bytes]);
    shell.stdin(Stdio::piped()).spawn().unwrap()
}

fn set_room(mut shell: Child) {
    shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(shell.wait().unwrap().success());
}

fn is_there_room_for_a_thread() -> bool {
    std::thread::Builder::new()
        .spawn(|| ())
        .is_ok_and(|thread| thread.join().is_ok())
}

/// From now on there is no room for a thread.
fn take_room() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = kilobytes.unwrap().trim().trim_end_matches(" kB");
    let taken = kilobytes.parse::<u64>().unwrap() * 1024;
    set_room(will_set_room(&(taken + (1 << 20)).to_string()));
    assert!(!is_there_room_for_a_thread());
}

const NONE: &str = "no_threads::a_process_without_threads_runs_bodies";

#[test]
fn a_process_without_threads_runs_bodies() {
    if !is_own_process(NONE) {
        if Command::new("prlimit").arg("--version").output().is_err() {
            println!("skipped: there is no prlimit");
            return;
        }
        let server = Server::start();
        let printed = in_own_process(NONE, &[("URL", &server.url())]);
        let warned = "the I/O thread of the cache cannot be started";
        assert_eq!(printed.matches(warned).count(), 1, "{printed}");
        assert!(!printed.contains("panicked"), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let cache = patient(&std::env::var("URL").unwrap());
    let _inside = cache.enter();
    let current = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let multi = runtime();
    multi.block_on(async { tokio::spawn(async {}).await.unwrap() });
    // They wait for their turns: none is made later.
    let [(lead, leads), (follow, follows)] = [mpsc::channel::<()>(), mpsc::channel()];
    let (tell, told) = mpsc::channel();
    let memory = Cache::in_memory();
    let of_leader = memory.clone();
    let (begun, begins) = mpsc::channel();
    let leader = std::thread::spawn(move || {
        let _inside = of_leader.enter();
        leads.recv().unwrap();
        slow(|| {
            begun.send(()).unwrap();
            leads.recv().unwrap();
        });
    });
    let of_follower = memory.clone();
    let follower = std::thread::spawn(move || {
        let _inside = of_follower.enter();
        follows.recv().unwrap();
        tell.send(slow(|| ())).unwrap();
    });
    let room = will_set_room("unlimited");
    let port = free_port();
    let nowhere = Cache::open(&format!("redis://127.0.0.1:{port}")).unwrap();
    take_room();

    let began = Instant::now();
    for n in [1, 1, 2] {
        assert_eq!(plain(n), n);
        assert_eq!(pollster::block_on(later(n)), n);
        assert_eq!(current.block_on(later(n)), n);
        assert_eq!(current.block_on(async { plain(n) }), n);
        assert_eq!(multi.block_on(later(n)), n);
    }
    let error = plain::invalidate(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = current.block_on(later::invalidate(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(cache.blocking().ping().is_err());
    while !nowhere.stats().server().away {
        assert_eq!(multi.block_on(nowhere.scope(later(1))), 1);
        assert!(began.elapsed() < SOON);
    }
    // Nobody waits for another without a timer to end the wait.
    lead.send(()).unwrap();
    begins.recv_timeout(SOON).unwrap();
    follow.send(()).unwrap();
    assert_eq!(told.recv_timeout(SOON), Ok(7));
    lead.send(()).unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    set_room(room);
    leader.join().unwrap();
    follower.join().unwrap();
    let began = Instant::now();
    let wait = |what: &str| {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    };
    // What could not be removed is, once somebody asks for it: on connections that are there already.
    while multi.block_on(observe(later(2))).1 == Seen::Bypassed {
        wait("nobody delivers it");
    }
    assert_eq!(cache.stats().server().owed, 0);
    let found = || {
        let sync = blocking::observe(|| plain(3)).1;
        let later = current.block_on(observe(later(3))).1;
        sync == Seen::Stored && later == Seen::Stored
    };
    while !found() {
        wait("it is never tried again");
    }
    cache.blocking().ping().unwrap();
    // Nobody could look for it when it was found to be away.
    let _server = Server::start_at(port);
    multi.block_on(until_back(&nowhere));
}
