use cache_runtime::read_through;

#[read_through]
extern "C" fn load(id: u64) -> u64 {
    id
}

fn main() {}
