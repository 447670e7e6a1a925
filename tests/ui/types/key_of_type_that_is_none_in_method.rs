use cache_runtime::read_through;

struct Repo;

impl Repo {
    #[read_through(key = "weight")]
    async fn load(&self, weight: f64) -> u64 {
        weight as u64
    }
}

fn main() {}
