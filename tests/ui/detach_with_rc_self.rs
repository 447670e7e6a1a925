use cache_runtime::read_through;

use std::rc::Rc;

struct Repo;

impl Repo {
    #[read_through(key = "id", detach)]
    async fn load(self: Rc<Self>, id: u64) -> u64 {
        id
    }
}

fn main() {}
