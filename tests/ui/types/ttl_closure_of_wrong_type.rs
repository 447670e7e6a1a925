use cache_runtime::read_through;

#[read_through(key = "user_id", ttl = |name: &String| name.len() as u64)]
async fn load(user_id: u64) -> Option<u64> {
    Some(user_id)
}

fn main() {}
