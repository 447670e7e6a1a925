use cache_runtime::read_through;

#[read_through]
async fn load(name: String) -> usize {
    name.len()
}

async fn caller() {
    let _ = load::peek_many([1, 2]).await;
}

fn main() {}
