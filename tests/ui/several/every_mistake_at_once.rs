use cache_runtime::read_through;

#[read_through(key = "user_idd", ttl = 60s, nmae = "users", jitter = 10)]
async unsafe fn load(user_id: u64) -> &'static str {
    let _ = user_id;
    "user"
}

fn main() {}
