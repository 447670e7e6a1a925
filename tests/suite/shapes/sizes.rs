//! How much room the future of a call takes.

use cache_runtime::read_through;

/// Holds this many bytes over an await.
async fn plain<const BYTES: usize>(id: u64) -> u64 {
    let bytes = [0_u8; BYTES];
    tokio::task::yield_now().await;
    id + bytes.len() as u64
}

macro_rules! cached {
    ($($name:ident: $bytes:literal),*) => {$(
        #[read_through(key = "id", ttl = 60)]
        async fn $name(id: u64) -> u64 {
            let bytes = [0_u8; $bytes];
            tokio::task::yield_now().await;
            id + bytes.len() as u64
        }
    )*};
}

cached!(small: 1, large: 8192);

struct Repo;

impl Repo {
    #[read_through(key = "id", ttl = 60)]
    async fn load(&self, id: u64) -> u64 {
        let bytes = [0_u8; 8192];
        tokio::task::yield_now().await;
        id + bytes.len() as u64
    }

    #[read_through(key = "id", ttl = 60, stale = "5m", detach)]
    async fn load_behind(self: std::sync::Arc<Self>, id: u64) -> u64 {
        let bytes = [0_u8; 8192];
        tokio::task::yield_now().await;
        id + bytes.len() as u64
    }
}

#[test]
fn a_cached_future_is_small_however_large_the_body() {
    let repo = std::sync::Arc::new(Repo);
    println!("                    plain  cached");
    for (body, plain, cached) in [
        (
            "holds 1 byte",
            size_of_val(&plain::<1>(7)),
            size_of_val(&small(7)),
        ),
        (
            "holds 8 KiB",
            size_of_val(&plain::<8192>(7)),
            size_of_val(&large(7)),
        ),
        (
            "a method",
            size_of_val(&plain::<8192>(7)),
            size_of_val(&repo.load(7)),
        ),
        (
            "stale and detached",
            size_of_val(&plain::<8192>(7)),
            size_of_val(&repo.clone().load_behind(7)),
        ),
    ] {
        println!("{body:18} {plain:6}  {cached:6}");
        assert!(cached <= 600, "{body}: {cached}");
    }
}
