use cache_runtime::read_through;

#[read_through(none = true)]
async fn load(id: u64) {
    let _ = id;
}

fn main() {}
