use cache_runtime::read_through;

#[read_through(key = "id", detach)]
async fn load(id: u64, names: &[&str]) -> usize {
    id as usize + names.len()
}

fn main() {}
