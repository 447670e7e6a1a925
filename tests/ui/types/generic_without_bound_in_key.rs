use cache_runtime::read_through;

#[read_through]
async fn load<T>(id: T) -> u64 {
    drop(id);
    1
}

fn main() {}
