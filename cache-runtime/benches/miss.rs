//! What a miss costs over a GET and a SETEX by hand, on a Redis server that this starts.
//!
//! `cargo bench -p cache-runtime --bench miss`

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use redis::aio::MultiplexedConnection;

const ROUNDS: usize = 15;
const CALLS: u64 = 300;

#[read_through(ttl = 60)]
async fn load(key: u64) -> u64 {
    key
}

/// The bodies that ran, and when each began; the first of a key hangs.
static BEGAN: Mutex<Vec<(u64, Instant)>> = Mutex::new(Vec::new());

#[read_through(ttl = 60)]
async fn abandoned(key: u64) -> u64 {
    let is_first = {
        let mut began = BEGAN.lock().expect("nothing panics");
        began.push((key, Instant::now()));
        began.iter().filter(|(of, _)| *of == key).count() == 1
    };
    if is_first {
        std::future::pending::<()>().await;
    }
    key
}

fn main() {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}", server.port);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let work = async move {
        let client = redis::Client::open(url.as_str()).expect("the URL is right");
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.expect("the server was started");
        let cache = Cache::open(&url).expect("the URL is right");
        cache.scope(measure(&mut connection)).await;
        cache.scope(hand_over()).await;
    };
    runtime.block_on(async { tokio::spawn(work).await.expect("nothing panics") });
}

async fn measure(connection: &mut MultiplexedConnection) {
    let mut key = 0;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut ping = Vec::new();
        let mut by_hand = Vec::new();
        let mut miss = Vec::new();
        for _ in 0..CALLS {
            key += 1;
            ping.push(timed(async { send::<String>(connection, &redis::cmd("PING")).await }).await);
            by_hand.push(timed(get_and_setex(connection, key)).await);
            miss.push(timed(load(key)).await);
        }
        rounds.push([median(ping), median(by_hand), median(miss)]);
    }
    let of = |index: usize| median(rounds.iter().map(|round| round[index]).collect());
    let ratio = |round: &[Duration; 3]| round[2].as_secs_f64() / round[1].as_secs_f64();
    let mut ratios: Vec<_> = rounds.iter().map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    println!("median of {ROUNDS} rounds of {CALLS} calls");
    println!("one round trip (PING)         {:>10.1?}", of(0));
    println!(
        "GET and SETEX by hand         {:>10.1?}  2 round trips",
        of(1)
    );
    println!(
        "a miss with an empty body     {:>10.1?}  3 round trips",
        of(2)
    );
    println!("a miss / by hand              {:>10.2}", ratios[ROUNDS / 2]);
}

/// How long after its leader was dropped the next one's body begins.
async fn hand_over() {
    let mut late = Vec::new();
    for key in 0..100 {
        let leader = tokio::spawn(inherit(abandoned(key)));
        while bodies(key).is_empty() {
            tokio::task::yield_now().await;
        }
        let follower = tokio::spawn(inherit(abandoned(key)));
        tokio::time::sleep(Duration::from_millis(5)).await;
        let dropped = Instant::now();
        leader.abort();
        follower.await.expect("nothing panics");
        late.push(bodies(key)[1].saturating_duration_since(dropped));
    }
    late.sort();
    println!(
        "from a dropped leader to the next body: median {:.1?}, worst of 100 {:.1?}",
        late[50], late[99]
    );
}

fn inherit<F: Future>(call: F) -> impl Future<Output = F::Output> {
    let cache = Cache::current().expect("there is a scope");
    async move { cache.scope(call).await }
}

fn bodies(key: u64) -> Vec<Instant> {
    let began = BEGAN.lock().expect("nothing panics");
    began
        .iter()
        .filter(|(of, _)| *of == key)
        .map(|(_, at)| *at)
        .collect()
}

async fn get_and_setex(connection: &mut MultiplexedConnection, key: u64) {
    let key = format!("by-hand:{key}");
    let stored: Option<String> = send(connection, redis::cmd("GET").arg(&key)).await;
    assert!(stored.is_none());
    send::<()>(connection, redis::cmd("SETEX").arg(&key).arg(60).arg("1")).await;
}

async fn send<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &redis::Cmd,
) -> T {
    let answer = command.query_async(connection).await;
    answer.expect("the server answers")
}

async fn timed<T>(work: impl Future<Output = T>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort();
    of[of.len() / 2]
}

/// A server of this process's own.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--port",
            &port.to_string(),
        ]);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("redis-server is installed; tests/run does it");
        let log = BufReader::new(child.stdout.take().expect("it is piped"));
        let ready = log
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("Ready to accept"));
        assert!(ready, "redis-server did not start");
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It was started here, so it is there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
