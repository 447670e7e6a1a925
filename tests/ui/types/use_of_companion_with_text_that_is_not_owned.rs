use cache_runtime::read_through;

#[read_through]
async fn load(id: u64) -> String {
    id.to_string()
}

async fn store() {
    let _ = load::put(7, "x").await;
}

fn main() {}
