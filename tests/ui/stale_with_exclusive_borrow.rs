use cache_runtime::read_through;

#[read_through(key = "id", ttl = 60, stale = "5m")]
async fn load(id: u64, seen: &mut Vec<u64>) -> u64 {
    seen.push(id);
    id
}

fn main() {}
