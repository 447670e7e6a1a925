use cache_runtime::read_through;

#[read_through]
async fn load(id: u64) -> Result<u64, String> {
    if id == 0 {
        return id;
    }
    Ok(id)
}

fn main() {}
