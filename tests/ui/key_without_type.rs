use cache_runtime::read_through;

trait Executor<'e> {}

#[read_through(key = "id", ttl = 60)]
async fn price<'e, E: Executor<'e>>(db: E, id: u64) -> u64 {
    drop(db);
    id
}

fn main() {}
