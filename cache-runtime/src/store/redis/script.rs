//! The few scripts, one in a file each, called by their hash.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

/// A script, and its text for a server that does not know its hash yet.
pub(super) struct Source {
    text: &'static str,
    script: LazyLock<Script>,
}

macro_rules! sources {
    ($($name:ident = $file:literal;)*) => {$(
        pub(super) static $name: Source = Source {
            text: include_str!($file),
            script: LazyLock::new(|| Script::new(include_str!($file))),
        };
    )*};
}

sources! {
    FILL = "fill.lua";
    FILL_REFRESH = "fill_refresh.lua";
    RELEASE = "release.lua";
    EXTEND = "extend.lua";
    DISPLACE = "displace.lua";
    LEASE = "lease.lua";
}

impl Source {
    /// By [EVALSHA](https://redis.io/docs/latest/commands/evalsha/): a server that was not told the
    /// text answers NOSCRIPT, and has run nothing.
    pub(super) fn by_hash(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", self.script.get_hash(), keys, arguments)
    }

    /// By [EVAL](https://redis.io/docs/latest/commands/eval/), which tells the server the text.
    pub(super) fn by_text(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.text, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
    let mut call = cmd(command);
    call.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    call
}
