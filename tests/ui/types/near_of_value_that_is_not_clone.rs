use cache_runtime::read_through;

#[derive(serde::Serialize, serde::Deserialize)]
struct User {
    name: String,
}

#[read_through(key = "id", ttl = 60, near)]
async fn load(id: u64) -> Result<Option<User>, std::io::Error> {
    let name = id.to_string();
    Ok(Some(User { name }))
}

fn main() {}
