use cache_runtime::read_through;

#[derive(serde::Serialize, serde::Deserialize)]
struct User {
    name: String,
}

struct Repo;

impl Repo {
    #[read_through(key = "id", ttl = 60, near)]
    fn load(&self, id: u64) -> User {
        let name = id.to_string();
        User { name }
    }
}

fn main() {}
