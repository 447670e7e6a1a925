use cache_runtime::read_through;

struct Repo;

impl Repo {
    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn load(self, id: u64) -> u64 {
        static RUNS: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
        *RUNS.lock().unwrap() += 1;
        id
    }
}

fn main() {}
