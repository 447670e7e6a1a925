use cache_runtime::read_through;

#[read_through]
async fn load(weight: f64) -> u64 {
    weight as u64
}

fn main() {}
