use cache_runtime::read_through;

use std::rc::Rc;

#[read_through(key = "id", ttl = 60, near)]
fn load(id: u64) -> Rc<u64> {
    Rc::new(id)
}

fn main() {}
