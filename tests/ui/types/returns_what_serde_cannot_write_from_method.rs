use cache_runtime::read_through;

struct User;

struct Repo;

impl Repo {
    #[read_through(key = "id")]
    async fn load(&self, id: u64) -> Result<User, String> {
        let _ = id;
        Ok(User)
    }
}

fn main() {}
