use cache_runtime::read_through;

macro_rules! cached {
    ($name:ident, $key:expr) => {
        #[read_through(key = $key)]
        async fn $name(user_id: u64) -> u64 {
            user_id
        }
    };
}

cached!(load, 1 + 1);

fn main() {}
