//! Functions whose end is their answer.

use cache_runtime::read_through;

type Done = Result<(), std::io::Error>;

#[read_through(cache_unit)]
async fn authorize(user: u64) -> Result<(), String> {
    if user == 0 {
        return Err("denied".to_owned());
    }
    Ok(())
}

#[read_through(cache_unit, ttl = 60)]
fn checked(user: u64) -> Done {
    let _ = user;
    Ok(())
}

#[read_through(cache_unit, near)]
async fn warmed(user: u64) {
    let _ = user;
}

struct Repo;

#[async_trait::async_trait]
trait Authorizes {
    async fn authorize(&self, user: u64) -> Done;
}

#[async_trait::async_trait]
impl Authorizes for Repo {
    #[read_through(key = "user", cache_unit)]
    async fn authorize(&self, user: u64) -> Done {
        let _ = user;
        Ok(())
    }
}

fn main() {
    drop(authorize(1));
    drop(checked(1));
    drop(warmed(1));
    drop(Repo.authorize(1));
}
