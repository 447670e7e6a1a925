use cache_runtime::read_through;

#[read_through(near = age())]
async fn load(user_id: u64, page: u32) -> u64 {
    user_id + u64::from(page)
}

fn main() {}
