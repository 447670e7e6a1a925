use cache_runtime::read_through;

#[read_through]
async fn load(id: u64) -> u64 {
    id
}

async fn forget() {
    let _ = load::invalidat(7).await;
}

fn main() {}
