use cache_runtime::read_through;

use std::rc::Rc;

#[derive(Clone)]
struct Repo(Rc<u64>);

impl Repo {
    #[read_through(key = "id", ttl = 60, stale = "5m")]
    async fn load(&self, id: u64) -> u64 {
        id + *self.0
    }
}

fn main() {}
