use cache_runtime::read_through;

#[read_through(lossy = "yes")]
async fn load(id: u64) -> String {
    id.to_string()
}

fn main() {}
