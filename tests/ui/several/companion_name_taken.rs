use cache_runtime::read_through;

mod load {}

#[read_through(key = "id")]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
