use cache_runtime::read_through;

struct Failed;

impl From<std::fmt::Error> for Failed {
    fn from(_: std::fmt::Error) -> Self {
        Self
    }
}

impl From<u8> for Failed {
    fn from(_: u8) -> Self {
        Self
    }
}

struct Repo;

impl Repo {
    #[read_through(key = "id")]
    async fn load(&self, id: &str) -> Result<u64, Failed> {
        let id: u64 = id.parse()?;
        Ok(id)
    }
}

fn main() {}
