use cache_runtime::read_through;

#[read_through]
async fn load(id: u64) -> u64 {
    ide
}

fn main() {}
