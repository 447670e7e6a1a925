use cache_runtime::read_through;

struct User;

#[read_through]
async fn load(id: u64) -> User {
    let _ = id;
    User
}

fn main() {}
