use cache_runtime::read_through;

struct Repo {
    weight: f64,
}

impl Repo {
    #[read_through(key = "{self.weight}:{id}")]
    async fn load(&self, id: u64) -> u64 {
        id + self.weight as u64
    }
}

fn main() {}
