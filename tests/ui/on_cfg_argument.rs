use cache_runtime::read_through;

#[read_through(key = "id")]
async fn load(id: u64, #[cfg(all())] page: u32) -> u64 {
    id + u64::from(page)
}

fn main() {}
