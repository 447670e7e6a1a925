use cache_runtime::read_through;

#[read_through(lease = 0)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
