use cache_runtime::read_through;

struct Repo;

impl Repo {
    #[read_through(key = "id")]
    async fn load(&self, id: u64) -> u64 {
        id.
    }

    async fn caller(&self) -> u64 {
        self.load(2).await
    }
}

fn main() {}
