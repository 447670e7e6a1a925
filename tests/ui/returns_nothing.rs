use cache_runtime::read_through;

#[read_through]
async fn save(id: u64) {
    let _ = id;
}

fn main() {}
