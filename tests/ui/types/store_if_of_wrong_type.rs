use cache_runtime::read_through;

#[read_through(store_if = |name: &String| name.is_empty())]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
