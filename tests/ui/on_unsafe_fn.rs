use cache_runtime::read_through;

#[read_through]
unsafe fn load(id: u64) -> u64 {
    id
}

fn main() {}
