//! A value that was read before an invalidation is never handed out after it: a randomized test
//! with a control that shows that it would notice.

use crate::scenarios::fence::{Fence, HITS, in_memory, run, work};
use crate::support::{Server, is_own_process};

const ONE: &str = "fence::no_process_is_handed_a_stale_value_by_one_server";

#[test]
fn no_process_is_handed_a_stale_value_by_one_server() {
    if is_own_process(ONE) {
        return work(Fence::Lease);
    }
    let server = Server::start();
    let found = run(ONE, &server.url(), HITS);
    assert_eq!(found.answers.errors, 0, "{found:?}");
    assert!(found.hits >= HITS, "{found:?}");
    assert!(found.refused > 100, "the fence was hardly tried: {found:?}");
}

const CONTROL: &str = "fence::without_the_fence_the_same_test_finds_stale_values";

#[test]
fn without_the_fence_the_same_test_finds_stale_values() {
    if is_own_process(CONTROL) {
        return work(Fence::None);
    }
    let server = Server::start();
    let found = run(CONTROL, &server.url(), HITS / 10);
    assert!(found.answers.errors > 0, "{found:?}");
}

#[cfg(feature = "cluster")]
const CLUSTER: &str = "fence::no_process_is_handed_a_stale_value_by_a_cluster";

#[cfg(feature = "cluster")]
#[test]
fn no_process_is_handed_a_stale_value_by_a_cluster() {
    if is_own_process(CLUSTER) {
        return work(Fence::Lease);
    }
    let cluster = crate::support::Cluster::start();
    let found = run(CLUSTER, &cluster.url(), HITS);
    assert_eq!(found.answers.errors, 0, "{found:?}");
    assert!(found.hits >= HITS, "{found:?}");
}

#[test]
fn no_task_is_handed_a_stale_value_by_the_memory_of_its_process() {
    let found = in_memory(1, Fence::Lease, HITS);
    assert_eq!(found.answers.errors, 0, "{found:?}");
    assert!(found.hits >= HITS, "{found:?}");
}

#[test]
fn without_the_fence_the_same_test_finds_stale_values_in_memory() {
    let found = in_memory(2, Fence::None, HITS / 10);
    assert!(found.answers.errors > 0, "{found:?}");
    assert!(found.hits >= HITS / 10, "{found:?}");
}
