use cache_runtime::read_through;

type Nothing = ();

struct Repo;

impl Repo {
    #[read_through(key = "id", near, store_if = |_: &()| true)]
    fn save(&self, id: u64) -> Result<Nothing, std::io::Error> {
        let _ = id;
        Ok(())
    }
}

fn main() {}
