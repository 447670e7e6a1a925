use cache_runtime::read_through;

struct User;

#[read_through]
fn load(id: u64) -> Vec<User> {
    let _ = id;
    vec![User]
}

fn main() {}
