use cache_runtime::{Cacheable, read_through};

#[read_through(key = "id", ttl = 60, near)]
async fn load<T: Cacheable + From<u64>>(id: u64) -> T {
    T::from(id)
}

fn main() {}
