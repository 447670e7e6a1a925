use cache_runtime::read_through;

#[read_through]
async fn load<'a>(name: &'a str) -> Option<Vec<&'a str>> {
    Some(vec![name])
}

fn main() {}
