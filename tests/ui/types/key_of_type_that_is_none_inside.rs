use cache_runtime::read_through;

#[read_through]
async fn load(weights: Vec<Option<f64>>) -> usize {
    weights.len()
}

fn main() {}
