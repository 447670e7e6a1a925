use cache_runtime::read_through;

#[read_through(key = weight + 1.0)]
async fn load(weight: f64) -> u64 {
    weight as u64
}

fn main() {}
