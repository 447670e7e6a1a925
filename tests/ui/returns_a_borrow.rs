use cache_runtime::read_through;

#[read_through]
async fn load(name: &str) -> &str {
    name
}

fn main() {}
