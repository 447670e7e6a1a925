use cache_runtime::read_through;

struct Other;

#[read_through]
async fn load(id: u64) -> Option<String> {
    Some(id.to_string())
}

async fn caller() {
    let _ = load::put(7, &Other).await;
}

fn main() {}
