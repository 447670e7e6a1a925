use cache_runtime::read_through;

const LEASE: u64 = 3;

#[read_through(lease = LEASE)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
