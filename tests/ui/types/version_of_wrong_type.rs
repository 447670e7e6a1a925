use cache_runtime::read_through;

const VERSION: &str = "3";

#[read_through(version = VERSION)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
