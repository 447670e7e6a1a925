use cache_runtime::read_through;

struct Repo;

impl Repo {
    #[read_through(key = "id")]
    async fn load(&self, id: u64) -> Result<u64, String> {
        if id == 0 {
            return id;
        }
        Ok(id)
    }
}

fn main() {}
