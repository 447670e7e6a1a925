use cache_runtime::read_through;

struct Repo;

impl Repo {
    #[read_through(key = "id")]
    async fn load(id: u64) -> u64 {
        id
    }
}

fn main() {}
