use cache_runtime::read_through;

#[read_through]
async fn load(id: u64) -> Option<String> {
    (id > 1).then(String::new)
}

async fn store() {
    let _ = load::put(7, &7).await;
}

fn main() {}
