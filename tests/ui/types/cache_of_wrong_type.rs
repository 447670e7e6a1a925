use cache_runtime::read_through;

static CACHE: u8 = 1;

#[read_through(cache = &CACHE)]
async fn load(id: u64) -> u64 {
    id
}

fn main() {}
