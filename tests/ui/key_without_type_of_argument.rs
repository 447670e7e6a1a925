use cache_runtime::read_through;

trait Executor {}

#[read_through(key = "id", ttl = 60)]
async fn price(db: impl Executor, id: u64) -> u64 {
    drop(db);
    id
}

fn main() {}
