use cache_runtime::read_through;

trait Database {}

#[read_through(key = "id", detach)]
async fn load(id: u64, db: &(dyn Database + Sync)) -> u64 {
    let _ = db;
    id
}

fn main() {}
