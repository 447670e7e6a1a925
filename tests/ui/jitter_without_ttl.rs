use cache_runtime::read_through;

#[read_through(none = true, jitter = "10%")]
async fn load(user_id: u64) -> Option<u64> {
    Some(user_id)
}

fn main() {}
