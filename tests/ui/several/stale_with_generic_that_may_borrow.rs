use cache_runtime::read_through;

#[read_through(key = "id", ttl = 60, stale = "5m")]
async fn load<T: Send>(id: u64, more: T) -> u64 {
    drop(more);
    id
}

fn main() {}
