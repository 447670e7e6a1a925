use cache_runtime::read_through;

#[read_through(key = "id")]
async fn load(id: u64) -> u64 {
    id.
}

async fn caller() -> u64 {
    load::invalidate(1).await.expect("a cache");
    load(2).await
}

fn main() {}
