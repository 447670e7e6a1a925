//! A lone caller sends from its own task, also when it comes after a crowd.

use cache_runtime::read_through;

use crate::support::{Monitor, Server, connections};

#[read_through(name = "value", ttl = 60)]
async fn value(id: u64) -> u64 {
    id
}

/// Who waits for others is read with MGET; GET is what a caller sends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crowd_a_lone_caller_asks_by_itself_again() {
    let server = Server::start();
    let cache = server.cache();
    // One after the other: what a crowd of a busy machine has no time to store would be asked for twice.
    let each = async {
        for id in 0..1024 {
            value(id).await;
        }
    };
    tokio::spawn(cache.scope(each)).await.unwrap();
    for round in 0..5 {
        let monitor = Monitor::of(&server);
        let crowd = (0..1024).map(|id| tokio::spawn(cache.scope(value(id))));
        for call in crowd.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        let crowd = monitor.end(&server);
        assert!(
            !connections(&crowd, &["MGET"], ":value:").is_empty(),
            "they went out together"
        );
        let monitor = Monitor::of(&server);
        let lone = async {
            for id in 0..100 {
                assert_eq!(value(id).await, id);
            }
        };
        tokio::spawn(cache.scope(lone)).await.unwrap();
        let alone = monitor.end(&server);
        let is_read = |command: &&str| command.contains(":value:");
        let commands = alone.iter().map(|sent| sent.command.as_str());
        let commands: Vec<_> = commands.filter(is_read).collect();
        assert_eq!(commands.len(), 100, "round {round}: {commands:#?}");
        let is_alone = |command: &&str| command.starts_with("\"GET\"");
        assert!(
            commands.iter().all(is_alone),
            "round {round}: {commands:#?}"
        );
    }
}
