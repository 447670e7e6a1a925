use cache_runtime::read_through;

#[read_through]
async fn load(id: impl Into<u64>) -> u64 {
    id.into()
}

fn main() {}
