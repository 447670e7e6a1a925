use cache_runtime::read_through;

type Done = Result<(), std::io::Error>;

#[read_through(ttl = 60, stale = "5m")]
fn save(id: u64) -> Done {
    let _ = id;
    Ok(())
}

fn main() {}
