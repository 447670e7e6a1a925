use cache_runtime::CacheKey;

#[derive(CacheKey)]
struct Point {
    x: u32,
    weight: f64,
}

fn main() {}
