use cache_runtime::read_through;

#[read_through(none = "yes")]
async fn load(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
