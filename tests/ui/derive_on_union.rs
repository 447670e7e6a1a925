use cache_runtime::CacheKey;

#[derive(CacheKey)]
union Id {
    a: u32,
    b: i32,
}

fn main() {}
