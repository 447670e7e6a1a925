use cache_runtime::read_through;

#[read_through(key = "user:user_id")]
async fn load(user_id: u64) -> u64 {
    user_id
}

fn main() {}
