use cache_runtime::read_through;

struct Repo;

impl Repo {
    #[read_through(key = "id")]
    fn save(&self, id: u64) -> std::io::Result<()> {
        let _ = id;
        Ok(())
    }
}

fn main() {}
