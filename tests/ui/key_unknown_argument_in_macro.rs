use cache_runtime::read_through;

macro_rules! cached {
    ($name:ident, $key:literal) => {
        #[read_through(key = $key)]
        async fn $name(user_id: u64) -> u64 {
            user_id
        }
    };
}

cached!(load, "user_idd");

fn main() {}
