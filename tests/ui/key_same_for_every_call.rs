use cache_runtime::read_through;

const KEY: &str = "user_id";

#[read_through(key = crate::KEY)]
async fn load(user_id: u64) -> u64 {
    user_id
}

fn main() {}
