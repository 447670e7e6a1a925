use cache_runtime::read_through;

struct Repo;

#[read_through(key = "id")]
impl Repo {
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
