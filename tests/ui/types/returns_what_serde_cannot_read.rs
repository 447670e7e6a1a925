use cache_runtime::read_through;

use serde::Serialize;

#[derive(Serialize)]
struct User;

#[read_through]
async fn load(id: u64) -> Result<Option<User>, String> {
    Ok((id > 1).then_some(User))
}

fn main() {}
