use cache_runtime::read_through;

#[read_through(key = "id")]
struct User {
    id: u64,
}

fn main() {}
