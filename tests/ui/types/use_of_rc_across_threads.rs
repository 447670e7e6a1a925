use cache_runtime::read_through;

use std::rc::Rc;

#[read_through]
async fn load(id: u64) -> u64 {
    let one = Rc::new(1);
    tokio::task::yield_now().await;
    id + *one
}

fn spawn() {
    tokio::spawn(load(7));
}

fn main() {}
