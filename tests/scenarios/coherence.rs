//! Two processes with copies (option `near`) of values that both of them and other programs change,
//! while the server loses everything, cuts connections and forgets what it was to tell of.
//!
//! Each key has a source that only counts up, and one task that changes it. When a change was
//! acknowledged, the key's floor is raised. Who reads the floors, makes one round trip on the
//! connection that the server tells changes on, and then calls, must not be answered with less: the
//! server told of the change before it answered. What a process itself did must be seen at once. When
//! nobody changes anything any more, all keys are looked at once more.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Config, Invalidated, read_through};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

use super::answers::{Answer, Answers};
use crate::support::{Fleet, Server, runtime, tell, wait_to_go};

const KEYS: u64 = 96;
const WRITERS: u64 = 16;
const READERS: u64 = 2;
/// Changes by both processes together.
pub const WRITES: u64 = 100_000;
const LONGEST: Duration = Duration::from_secs(60);

/// A value whose copy is long in the making at random, so that changes come between its reading and
/// its keeping.
#[derive(Debug, Serialize, Deserialize)]
struct Version(u64);

impl Clone for Version {
    fn clone(&self) -> Self {
        if fastrand::u8(..) < 4 {
            std::thread::sleep(Duration::from_micros(fastrand::u64(..500)));
        }
        Self(self.0)
    }
}

#[read_through(name = "version", key = "key", ttl = ttl(), near)]
async fn version(key: u64) -> Result<Version, ()> {
    let mut get = redis::cmd("GET");
    get.arg(format!("source:{key}"));
    let value: Option<u64> = get.query_async(&mut world()).await.unwrap();
    Ok(Version(value.unwrap_or(0)))
}

fn ttl() -> Duration {
    Duration::from_millis(fastrand::u64(50..2_000))
}

/// Is never stored, so each call reads on the connection that is told of changes.
#[read_through(name = "nothing", key = (), near, lease = false, store_if = |_: &u64| false)]
async fn round_trip() -> u64 {
    0
}

static WORLD: OnceLock<MultiplexedConnection> = OnceLock::new();

/// Where the truth is.
fn world() -> MultiplexedConnection {
    WORLD.get().unwrap().clone()
}

async fn floors() -> Vec<u64> {
    let mut get = redis::cmd("MGET");
    for key in 0..KEYS {
        get.arg(format!("floor:{key}"));
    }
    let floors: Vec<Option<u64>> = get.query_async(&mut world()).await.unwrap();
    floors.into_iter().map(Option::unwrap_or_default).collect()
}

#[derive(Default)]
struct Counts {
    writes: AtomicU64,
    stale_own: AtomicU64,
}

impl Counts {
    fn goes_on(&self, began: Instant) -> bool {
        self.writes.load(Relaxed) < WRITES / 2 && began.elapsed() < LONGEST
    }
}

async fn read(counts: &Counts) -> Vec<Answer> {
    let began = Instant::now();
    let mut answers = Vec::new();
    while counts.goes_on(began) {
        look_at_all(&mut answers).await;
    }
    answers
}

async fn look_at_all(answers: &mut Vec<Answer>) {
    let floors = floors().await;
    round_trip().await;
    // The first call may read and keep, those after it are answered with the copy.
    let often = (0..).zip(floors).flat_map(|floor| [floor; 8]);
    for (key, floor) in often {
        let began = Instant::now();
        let Version(value) = version(key).await.unwrap();
        let (took, right) = (began.elapsed(), value >= floor);
        answers.push(Answer { took, right });
        if !right {
            eprintln!("key {key}: {value} although it was {floor} a round trip ago");
        }
    }
}

/// Changes the keys that are this task's to change.
async fn write(mut server: MultiplexedConnection, mine: Vec<u64>, counts: &Counts) {
    let began = Instant::now();
    let mut raised = redis::pipe();
    while counts.goes_on(began) {
        let key = mine[fastrand::usize(0..mine.len())];
        // Together with the raising of the floor of the change before.
        let mut raising = std::mem::take(&mut raised);
        raising.cmd("INCR").arg(format!("source:{key}"));
        let (value,): (u64,) = raising.query_async(&mut world()).await.unwrap();
        let name = version::key(key);
        let (mut set, mut delete) = (redis::cmd("SETEX"), redis::cmd("DEL"));
        set.arg(&name).arg(60).arg(value);
        delete.arg(&name);
        let (done, own) = match fastrand::u8(0..20) {
            0..10 => (set.query_async::<()>(&mut server).await.is_ok(), false),
            10..14 => (delete.query_async::<()>(&mut server).await.is_ok(), false),
            14..18 => (is_removed(version::invalidate(key).await), true),
            18 => (version::put(key, &Version(value)).await.is_ok(), true),
            _ => (version::refresh(key).await.is_ok(), true),
        };
        if !done {
            continue;
        }
        counts.writes.fetch_add(1, Relaxed);
        if own && version(key).await.unwrap().0 < value {
            counts.stale_own.fetch_add(1, Relaxed);
            eprintln!("key {key}: less than {value} although this process wrote it");
        }
        let floor = format!("floor:{key}");
        raised.cmd("SET").arg(floor).arg(value).ignore();
    }
    // Unless the last change failed.
    if !raised.is_empty() {
        let () = raised.query_async(&mut world()).await.unwrap();
    }
}

fn is_removed(outcome: Result<Invalidated, cache_runtime::Error>) -> bool {
    matches!(outcome, Ok(Invalidated::Removed | Invalidated::Absent))
}

async fn connection(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

pub fn work() {
    let variable = |name| std::env::var(name).unwrap();
    let me: u64 = variable("ME").parse().unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        WORLD.set(connection(&variable("WORLD")).await).unwrap();
        // Of other programs, who may do more than a cache, and not cut by the test, as its own are.
        let server = connection(&variable("OTHERS")).await;
        let config = Config::new(variable("CACHE")).near_max_age(Duration::from_secs(60));
        let cache = Cache::new(config).unwrap();
        wait_to_go();
        let counts = &*Box::leak(Box::new(Counts::default()));
        let writers = (0..WRITERS).map(|writer| {
            let mine = (0..KEYS).filter(|key| key % (2 * WRITERS) == 2 * writer + me);
            cache.scope(write(server.clone(), mine.collect(), counts))
        });
        let readers = (0..READERS).map(|_| cache.scope(read(counts)));
        let writers: Vec<_> = writers.map(tokio::spawn).collect();
        let readers: Vec<_> = readers.map(tokio::spawn).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let mut answers = Vec::new();
        for reader in readers {
            answers.extend(reader.await.unwrap());
        }
        // Until the other process is quiet, too.
        wait_to_go();
        cache.scope(look_at_all(&mut answers)).await;
        answers.into_iter().collect::<Answers>().tell();
        tell("writes", counts.writes.load(Relaxed));
        tell("stale_own", counts.stale_own.load(Relaxed));
        let stats = cache.stats();
        let of = stats.function("version").unwrap();
        tell("near", of.near);
    });
}

/// What befalls the server while it is used.
fn befall(server: &Server, round: u32) {
    match round % 8 {
        1 | 5 => drop(server.cli(&["FLUSHALL"])),
        // Of what it cannot remember it tells at once.
        2 => drop(server.cli(&["CONFIG", "SET", "tracking-table-max-keys", "5"])),
        3 => drop(server.cli(&["CONFIG", "SET", "tracking-table-max-keys", "1000000"])),
        _ => drop(kill_tracked(server)),
    }
}

/// Ends the connections that are told of changes, and returns how many there were.
pub fn kill_tracked(server: &Server) -> usize {
    let clients = server.cli(&["CLIENT", "LIST"]);
    let tracked = clients.lines().filter(|client| is_tracked(client));
    let killed = tracked.map(|client| {
        // It may have left since.
        server.try_cli(&["CLIENT", "KILL", "ID", field(client, "id=")])
    });
    killed.count()
}

fn is_tracked(client: &str) -> bool {
    field(client, "flags=").contains('t')
}

fn field<'a>(client: &'a str, name: &str) -> &'a str {
    let fields = client.split(' ');
    fields
        .filter_map(|field| field.strip_prefix(name))
        .next()
        .unwrap()
}

/// What both processes found.
#[derive(Debug)]
pub struct Figures {
    pub writes: u64,
    /// Calls that a copy answered.
    pub near: u64,
    /// Calls after a change by the same process that were answered with less.
    pub stale_own: u64,
    /// How often something befell the server.
    pub befallen: u32,
    /// Stale values are errors.
    pub answers: Answers,
}

pub fn run(worker: &str) -> Figures {
    let (server, world) = (Server::start(), Server::start());
    let (cache, others, truth) = (
        server.url(),
        server.url_of_default(),
        world.url_of_default(),
    );
    let variables = [("CACHE", &*cache), ("OTHERS", &others), ("WORLD", &truth)];
    let mut workers = Fleet::start(worker, 2, &variables);
    workers.go();
    let (done, is_done) = mpsc::channel::<()>();
    let befallen = std::thread::scope(|scope| {
        // A worker that fails ends this, too.
        let done = done;
        let befalling = scope.spawn(|| {
            let is_done = is_done;
            let mut round = 0;
            let pause = Duration::from_millis(60);
            while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                befall(&server, round);
                round += 1;
            }
            round
        });
        workers.wait_until_ready();
        drop(done);
        befalling.join().unwrap()
    });
    workers.go();
    let told = workers.end();
    Figures {
        writes: told.sum("writes"),
        near: told.sum("near"),
        stale_own: told.sum("stale_own"),
        befallen,
        answers: Answers::told(&told),
    }
}
