use cache_runtime::read_through;

#[read_through(key = "id")]
async fn load(id: Id) -> u64 {
    id.0
}

fn main() {}
