use cache_runtime::read_through;

use std::rc::Rc;

#[read_through(ttl = 60, stale = "5m")]
async fn load(id: u64) -> u64 {
    let one = Rc::new(id);
    std::future::ready(()).await;
    *one
}

fn main() {}
