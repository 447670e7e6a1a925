use cache_runtime::read_through;

#[read_through(ttl = |id: &u64| *id as u32)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
