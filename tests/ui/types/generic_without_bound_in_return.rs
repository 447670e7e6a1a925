use cache_runtime::read_through;

#[read_through(key = "id")]
async fn load<T>(id: u64, make: fn(u64) -> T) -> T {
    make(id)
}

fn main() {}
