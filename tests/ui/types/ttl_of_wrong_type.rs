use cache_runtime::read_through;

const TTL: u32 = 60;

#[read_through(key = "user_id", ttl = TTL)]
async fn load(user_id: u64) -> u64 {
    user_id
}

fn main() {}
