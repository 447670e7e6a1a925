use cache_runtime::read_through;

#[read_through(store_if = |id: &u64| *id)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
