use cache_runtime::read_through;

#[read_through]
async fn load(id: u64) -> Result<u64, String> {
    id
}

fn main() {}
