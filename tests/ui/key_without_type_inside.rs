use cache_runtime::read_through;

trait Table {
    const NAME: &'static str;
}

struct Db<T>(T);

#[read_through(skip(db), ttl = 60)]
fn name<T: Table>(db: &Db<T>, tenant: u64, kind: u8) -> String {
    let _ = db;
    format!("{} {tenant} {kind}", T::NAME)
}

fn main() {}
