use cache_runtime::read_through;

#[read_through]
fn load(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

fn main() {}
