use cache_runtime::read_through;

struct Request {
    weight: f64,
}

#[read_through(key = "{request.weight}")]
async fn load(request: Request) -> u64 {
    request.weight as u64
}

fn main() {}
