use cache_runtime::read_through;

struct Repo {
    calls: u64,
}

impl Repo {
    #[read_through(key = "id")]
    async fn load(&mut self, id: u64) -> u64 {
        self.calls += 1;
        id
    }
}

fn main() {}
