//! What a connection that is not made by redis-rs says first.

use redis::{Cmd, ConnectionInfo, cmd};

/// Who we are and what we want, as redis-rs says it, and a sign of life asked for: that there is a socket
/// says little, since the system of a server that is frozen accepts it.
pub(super) fn login(info: &ConnectionInfo) -> impl Iterator<Item = Cmd> {
    let settings = info.redis_settings();
    let auth = settings.password().map(|password| {
        let mut auth = cmd("AUTH");
        auth.arg(settings.username()).arg(password);
        auth
    });
    let select = (settings.db() != 0).then(|| {
        let mut select = cmd("SELECT");
        select.arg(settings.db());
        select
    });
    [auth, select, Some(cmd("PING"))].into_iter().flatten()
}
