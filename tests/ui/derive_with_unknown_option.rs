use cache_runtime::CacheKey;

#[derive(CacheKey)]
#[cache_key(crat = ::cache_runtime)]
struct Point {
    x: u32,
}

fn main() {}
