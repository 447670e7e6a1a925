//! The user that a server lets a cache be, where the tests are run for it.

use std::sync::LazyLock;

/// What the rights are: the environment variable `SERVER_USER` says `least` for exactly those that
/// a cache needs, or `no-scripts` for those that it needs without EVAL and EVALSHA. Unset, it is the
/// default user.
static USER: LazyLock<Option<Vec<&'static str>>> = LazyLock::new(|| {
    let rights = match std::env::var("SERVER_USER").ok()?.as_str() {
        "least" => RIGHTS.concat(),
        "no-scripts" => without_scripts(&RIGHTS.concat()),
        other => panic!("SERVER_USER is `{other}`; it can be `least` or `no-scripts`"),
    };
    Some(rights)
});

pub const NAME: &str = "app";
const PASSWORD: &str = "password-of-app";

/// The rights that are documented at `Config`.
pub const COMMANDS: &[&str] = &[
    "+get", "+mget", "+pttl", "+set", "+setex", "+psetex", "+unlink", "+ping",
];
/// Without it there are no copies in the process, and other processes' loads are polled for.
pub const TRACKING: &[&str] = &["+client|tracking"];
pub const SCRIPTS: &[&str] = &["+evalsha", "+eval"];
/// Those are used by scripts only.
pub const IN_SCRIPTS: &[&str] = &["+del", "+pexpire"];
/// Those are used where scripts are forbidden.
pub const TRANSACTIONS: &[&str] = &["+watch", "+multi", "+exec"];
pub const POOL: &[&str] = &["+unwatch"];
pub const DATABASE: &[&str] = &["+select"];
pub const BEHIND_SENTINELS: &[&str] = &["+role"];
pub const IN_A_CLUSTER: &[&str] = &["+cluster|slots", "+asking"];

const RIGHTS: [&[&str]; 8] = [
    COMMANDS,
    TRACKING,
    SCRIPTS,
    IN_SCRIPTS,
    POOL,
    DATABASE,
    BEHIND_SENTINELS,
    IN_A_CLUSTER,
];

pub fn without<'a>(rights: &[&'a str], some: &[&str]) -> Vec<&'a str> {
    let is_left = |right: &&&str| !some.contains(right);
    rights.iter().filter(is_left).copied().collect()
}

/// The same for a server that forbids scripts.
pub fn without_scripts<'a>(rights: &[&'a str]) -> Vec<&'a str> {
    let others = without(&without(rights, SCRIPTS), IN_SCRIPTS);
    [&others, TRANSACTIONS].concat()
}

/// What makes a server know a user with these rights on these keys and no others.
pub fn arguments(keys: &str, rights: &[&str]) -> Vec<String> {
    let password = format!(">{PASSWORD}");
    let user = ["--user", NAME, "on", &password, keys, "-@all"];
    let words = user.iter().chain(rights);
    words.map(ToString::to_string).collect()
}

/// The arguments of each server, and what stands before its place in a URL, where the tests are run
/// for a user.
pub fn of_each_server() -> (Vec<String>, String) {
    // Many a test has keys of its own.
    let user = USER.as_ref().map(|rights| arguments("~*", rights));
    user.map_or_else(Default::default, |user| (user, login()))
}

/// Whether the user that the tests are run for may.
pub fn runs_scripts() -> bool {
    let user = USER.as_ref();
    user.is_none_or(|rights| SCRIPTS.iter().all(|right| rights.contains(right)))
}

/// A user of a server that forbids scripts.
pub fn of_no_scripts() -> Vec<String> {
    arguments("~*", &without_scripts(&RIGHTS.concat()))
}

/// What stands before the place in a URL.
pub fn login() -> String {
    format!("{NAME}:{PASSWORD}@")
}
