use cache_runtime::read_through;

#[read_through]
async fn load(name: &str) -> Result<u64, &str> {
    Err(name)
}

fn main() {}
