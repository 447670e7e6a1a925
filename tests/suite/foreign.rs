//! Other programs at the same keys.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_runtime::read_through;
use serde::{Deserialize, Serialize};

use crate::support::Server;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct User {
    id: u64,
    name: String,
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[read_through(name = "users", key = "id", ttl = 60)]
async fn load_user(id: u64) -> User {
    RUNS.fetch_add(1, Relaxed);
    let name = "from the body".to_owned();
    User { id, name }
}

fn runs() -> u32 {
    RUNS.swap(0, Relaxed)
}

#[tokio::test]
async fn what_other_programs_do_to_a_key_is_respected() {
    let server = Server::start();
    let cache = server.patient();
    cache
        .scope(async {
            load_user(7).await;
            assert_eq!(runs(), 1);

            // One deletes it: the body runs.
            server.cli(&["DEL", "cache:users:7"]);
            load_user(7).await;
            assert_eq!(runs(), 1);

            // One stores valid JSON: it is believed.
            server.cli(&[
                "SET",
                "cache:users:7",
                r#" {"name":"Ann", "id":7, "more":[]} "#,
            ]);
            assert_eq!(load_user(7).await.name, "Ann");
            assert_eq!(runs(), 0);

            // Garbage, JSON of another type, and no string at all: the body runs once, and what it
            // returns replaces them.
            let spoil: [&[&str]; 4] = [
                &["SET", "cache:users:7", "\u{1}garbage\u{7f}{"],
                &["SET", "cache:users:7", r#"{"id":"seven"}"#],
                &["SET", "cache:users:7", ""],
                &["LPUSH", "cache:users:7", "a", "b"],
            ];
            for command in spoil {
                server.cli(&["DEL", "cache:users:7"]);
                server.cli(command);
                assert_eq!(load_user(7).await.name, "from the body", "{command:?}");
                assert_eq!(load_user(7).await.name, "from the body", "{command:?}");
                assert_eq!(runs(), 1, "{command:?}");
                let healed = server.cli(&["GET", "cache:users:7"]);
                assert_eq!(healed, r#"{"id":7,"name":"from the body"}"#, "{command:?}");
            }
        })
        .await;
    assert_eq!(cache.stats().function("users").unwrap().unreadable, 3);
}
