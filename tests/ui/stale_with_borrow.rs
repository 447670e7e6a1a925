use cache_runtime::read_through;

#[read_through(ttl = 60, stale = "5m")]
async fn load(id: u64, name: Option<&str>) -> u64 {
    id + name.map_or(0, str::len) as u64
}

fn main() {}
