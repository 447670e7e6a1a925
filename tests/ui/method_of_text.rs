use cache_runtime::read_through;

#[read_through(method = "load")]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
