use cache_runtime::read_through;

#[read_through(ttl = 60, stale = "soon")]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
