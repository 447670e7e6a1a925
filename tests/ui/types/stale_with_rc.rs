use cache_runtime::read_through;

use std::rc::Rc;

#[read_through(key = "id", ttl = 60, stale = "5m")]
async fn load(id: u64, shared: Rc<u64>) -> u64 {
    id + *shared
}

fn main() {}
