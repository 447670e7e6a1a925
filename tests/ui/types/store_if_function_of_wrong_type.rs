use cache_runtime::read_through;

fn is_named(name: &String) -> bool {
    !name.is_empty()
}

#[read_through(store_if = is_named)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
