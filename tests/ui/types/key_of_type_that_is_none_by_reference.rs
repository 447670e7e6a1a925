use cache_runtime::read_through;

struct Request;

#[read_through(key = "request")]
async fn load(request: &Request) -> u64 {
    let _ = request;
    1
}

fn main() {}
