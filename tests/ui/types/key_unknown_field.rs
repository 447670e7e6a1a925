use cache_runtime::read_through;

struct Request {
    id: u64,
}

#[read_through(key = "{request.idd}")]
async fn load(request: Request) -> u64 {
    request.id
}

fn main() {}
