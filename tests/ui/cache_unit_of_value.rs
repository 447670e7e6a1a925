use cache_runtime::read_through;

#[read_through(cache_unit)]
async fn load(id: u64) -> Result<String, std::io::Error> {
    Ok(id.to_string())
}

fn main() {}
