//! A server that answers each command in time, but late.

use std::time::Duration;

use cache_runtime::Cache;

use crate::proxy::Proxy;
use crate::report::{DEADLINE, Report, SLACK, millis};
use crate::scenarios::KINDS;
use crate::scenarios::slow;
use crate::support::Server;

/// Nobody is later than by one deadline, whatever it takes to look, to lock and to store.
pub fn slow(report: &mut Report) {
    for kind in KINDS {
        for delay in [60, 95].map(Duration::from_millis) {
            for callers in [1, 64, 1000] {
                let server = Server::start();
                let proxy = Proxy::before(server.port());
                let cache = Cache::open(&proxy.url()).unwrap();
                let seen = slow::run(kind, &cache, &proxy, callers, delay);
                let worst = seen.stored.worst().max(seen.missing.worst());
                report.row(
                    &format!("slow {delay:?} {kind} x{callers}"),
                    "0 errors; worst <= deadline + what a quick server takes",
                    &format!(
                        "stored: worst {}, median {}, {} hits; missing: worst {}, median {}; {} outages; \
                         of a quick server: {}",
                        millis(seen.stored.worst()),
                        millis(seen.stored.median()),
                        seen.hits,
                        millis(seen.missing.worst()),
                        millis(seen.missing.median()),
                        seen.outages,
                        millis(seen.quick.worst()),
                    ),
                    seen.stored.errors + seen.missing.errors == 0
                        && worst <= DEADLINE + SLACK + 2 * seen.quick.worst(),
                );
            }
        }
    }
}
