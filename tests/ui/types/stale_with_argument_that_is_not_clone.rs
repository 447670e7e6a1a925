use cache_runtime::read_through;

struct Database;

#[read_through(key = "id", ttl = 60, stale = "5m")]
async fn load(id: u64, db: &Database) -> u64 {
    let _ = db;
    id
}

fn main() {}
