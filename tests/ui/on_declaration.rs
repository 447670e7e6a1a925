use cache_runtime::read_through;

trait Load {
    #[read_through(key = "id")]
    async fn load(&self, id: u64) -> u64;
}

fn main() {}
