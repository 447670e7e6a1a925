//! The server: one key, its refresh key, and what each command does to them in one step.
//!
//! A value is the version of the source that its body read, so of two values one is older.

pub type Version = u8;

/// The caller who drew it, and which of its draws it was. Numbered by caller, so that callers who
/// draw in another order do not make another state.
pub type Token = (usize, u8);

/// What lies under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stored {
    Nothing,
    Value {
        version: Version,
        stale: bool,
    },
    Token(Token),
    /// Bytes of another program that nobody here can decode.
    Undecodable,
}

impl Stored {
    pub const STALE: Self = Self::Value {
        version: 1,
        stale: true,
    };

    pub fn fresh(version: Version) -> Self {
        Self::Value {
            version,
            stale: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    Get,
    Pttl,
    /// `SET key token NX GET`
    Lease(Token),
    /// Replaces undecodable bytes by a token; and nothing else, if it compares.
    Displace {
        token: Token,
        compares: bool,
    },
    SetToken(Token),
    SetValue(Version),
    /// Stores the value if the key holds this token.
    Fill(Token, Version),
    /// Deletes the key if it holds this token.
    Release(Token),
    Watch(Token),
    Exec {
        token: Token,
        version: Version,
        if_present: bool,
    },
    Unlink,
    UnlinkRefresh,
    UnlinkBoth,
    /// `SET refresh token NX`
    Claim(Token),
    /// `SET refresh token`
    TakeOver(Token),
    /// Stores the value if the refresh key holds this token and there is something to replace.
    FillRefresh {
        token: Token,
        version: Version,
        over_lease: bool,
    },
}

impl Command {
    /// Whether it does any harm to arrive after its sender gave up.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::Pttl | Self::Watch(_))
    }

    /// Whether it may do away with what somebody else relies on.
    pub fn takes_away(self) -> bool {
        let overwrites = matches!(
            self,
            Self::SetToken(_) | Self::SetValue(_) | Self::TakeOver(_)
        );
        let unlinks = matches!(self, Self::Unlink | Self::UnlinkRefresh | Self::UnlinkBoth);
        overwrites || unlinks
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    Saw(Stored),
    Did(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Redis {
    pub key: Stored,
    pub refresh: Option<Token>,
    /// Whose connection watches the key, as long as no command has touched it.
    watcher: Option<Token>,
}

impl Redis {
    pub fn holding(key: Stored) -> Self {
        Self {
            key,
            refresh: None,
            watcher: None,
        }
    }

    pub fn run(&mut self, command: Command) -> Reply {
        let before = self.key;
        let reply = self.execute(command);
        // An expiry changes the key without a command: the watcher is not told.
        if self.key != before {
            self.watcher = None;
        }
        reply
    }

    fn execute(&mut self, command: Command) -> Reply {
        match command {
            Command::Get | Command::Pttl => Reply::Saw(self.key),
            Command::Lease(token) => {
                let seen = self.key;
                self.replace(seen == Stored::Nothing, Stored::Token(token));
                Reply::Saw(seen)
            }
            Command::Displace { token, compares } => {
                let undecodable = self.key == Stored::Undecodable;
                self.replace(undecodable || !compares, Stored::Token(token))
            }
            Command::SetToken(token) => self.replace(true, Stored::Token(token)),
            Command::SetValue(version) => self.replace(true, Stored::fresh(version)),
            Command::Fill(token, version) => {
                self.replace(self.holds(token), Stored::fresh(version))
            }
            Command::Release(token) => self.replace(self.holds(token), Stored::Nothing),
            Command::Watch(token) => {
                self.watcher = self.holds(token).then_some(token);
                Reply::Did(self.watcher.is_some())
            }
            Command::Exec {
                token,
                version,
                if_present,
            } => {
                let present = !if_present || self.key != Stored::Nothing;
                let untouched = self.watcher == Some(token);
                self.replace(untouched && present, Stored::fresh(version))
            }
            Command::Unlink => self.replace(true, Stored::Nothing),
            Command::UnlinkRefresh => self.set_refresh(true, None),
            Command::UnlinkBoth => {
                self.refresh = None;
                self.replace(true, Stored::Nothing)
            }
            Command::Claim(token) => self.set_refresh(self.refresh.is_none(), Some(token)),
            Command::TakeOver(token) => self.set_refresh(true, Some(token)),
            Command::FillRefresh {
                token,
                version,
                over_lease,
            } => {
                let ours = self.refresh == Some(token);
                let replaceable = match self.key {
                    Stored::Nothing => false,
                    Stored::Token(_) => over_lease,
                    Stored::Value { .. } | Stored::Undecodable => true,
                };
                self.set_refresh(ours, None);
                self.replace(ours && replaceable, Stored::fresh(version))
            }
        }
    }

    fn holds(&self, token: Token) -> bool {
        self.key == Stored::Token(token)
    }

    fn replace(&mut self, allowed: bool, by: Stored) -> Reply {
        if allowed {
            self.key = by;
        }
        Reply::Did(allowed)
    }

    fn set_refresh(&mut self, allowed: bool, to: Option<Token>) -> Reply {
        if allowed {
            self.refresh = to;
        }
        Reply::Did(allowed)
    }
}
