//! What a cache says of what it leaves undone.

use cache_runtime::{Cache, Invalidated, Key};

use crate::outage::{answers, doubled};
use crate::support::{Server, in_own_process, is_own_process, runtime};

const PENDING: &str = "shutdown::what_redis_did_not_take_is_reported";

#[test]
fn what_redis_did_not_take_is_reported() {
    if !is_own_process(PENDING) {
        let printed = in_own_process(PENDING, &[]);
        let warnings = printed
            .lines()
            .filter(|line| line.contains("is shut down with"));
        let warnings: Vec<_> = warnings.collect();
        assert_eq!(warnings.len(), 1, "{printed}");
        assert!(warnings[0].contains("WARN"), "{printed}");
        assert!(warnings[0].contains("pending_invalidations=3"), "{printed}");
        assert!(warnings[0].contains(r#"["async", "orders"]"#), "{printed}");
        assert!(!printed.contains("secret"), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    let mut server = Server::start();
    let cache = server.cache();
    runtime().block_on(async {
        answers(&cache).await;
        server.kill();
        for n in [1, 2] {
            let queued = cache.scope(doubled::invalidate(n)).await;
            assert_eq!(queued.unwrap(), Invalidated::Queued);
        }
        let by_hand = Key::new("orders").version(2).part("secret");
        assert_eq!(
            cache.invalidate(by_hand).await.unwrap(),
            Invalidated::Queued
        );
        let report = cache.shutdown().await;
        assert_eq!(report.pending_invalidations, 3);
        assert_eq!(report.functions, ["async", "orders"]);
        // What is lost stays lost.
        assert_eq!(cache.shutdown().await, report);
    });
}

#[tokio::test]
async fn a_shutdown_that_delivers_all_reports_nothing() {
    let mut server = Server::start();
    let cache = server.patient();
    answers(&cache).await;
    server.kill();
    let queued = cache.scope(doubled::invalidate(1)).await;
    assert_eq!(queued.unwrap(), Invalidated::Queued);
    server.restart();
    crate::support::until_back(&cache).await;
    assert_eq!(cache.shutdown().await, Default::default());
    let in_memory = Cache::in_memory().blocking().shutdown();
    assert_eq!(in_memory.pending_invalidations, 0);
}
