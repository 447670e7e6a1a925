//! Callers, the processes they belong to, and the flights on which the callers of one process meet.
//!
//! A flight is named after the caller who leads it. Its stamp counts what was sent and the starts
//! of its body; followers remember the stamp at which they joined.

use crate::faults::Faults;
use crate::redis::{Command, Redis, Reply, Stored, Token, Version};

/// What a caller does, one after another. All but a read change the source first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Read,
    Invalidate,
    /// Another program deletes the key, and knows nothing of the refresh key.
    DeleteByHand,
    Put,
    /// The companion's `refresh`, whose caller waits for what it brings.
    Refresh,
}

/// What a caller waits for the server to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Look,
    Lease,
    Displace,
    Watch,
    Fill,
    Release,
    Claim,
    TakeOver,
    FillRefresh,
    Remove,
    Put,
    PutFill,
}

/// A body under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Load {
    /// Under the lease.
    Lead,
    /// Under the refresh token; unless it is the companion's, its caller has a stale answer.
    Behind,
    /// Under nothing: its value goes to the caller and the followers only.
    Alone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Start,
    LookAgain,
    Sent(Step),
    Follow(usize),
    /// Waits for another process, which holds the lease by this token.
    Await(Token),
    Body(Load),
    Loaded(Load),
    Done,
    Dead,
}

/// What goes out together. The server takes the commands in order, but others may come between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pipeline([Option<Command>; 2]);

impl Pipeline {
    pub fn of(command: Command) -> Self {
        Self([Some(command), None])
    }

    pub fn pair(first: Command, second: Command) -> Self {
        Self([Some(first), Some(second)])
    }

    pub fn is_empty(self) -> bool {
        self.first().is_none()
    }

    pub fn writes(self) -> bool {
        self.0.into_iter().flatten().any(Command::writes)
    }

    pub fn first(self) -> Option<Command> {
        self.0[0]
    }

    pub fn take_first(&mut self) -> Option<Command> {
        let [first, second] = self.0;
        self.0 = [second, None];
        first
    }
}

pub type Stamp = u8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    pub at: At,
    /// Which of its operations it is at.
    pub op: usize,
    /// This operation began when the source was promised to be seen at this version or later.
    pub floor: Version,
    /// The version that this operation made the source.
    pub wrote: Version,
    pub value: Version,
    /// The latest token that this operation drew, or adopted.
    pub token: Token,
    pub drawn: u8,
    /// Tokens of leases whose reply never came.
    pub lost: Vec<Token>,
    /// What the server has not taken yet.
    pub pipeline: Pipeline,
    pub reply: Option<Reply>,
    pub stamp: Stamp,
    pub body_stamp: Stamp,
    pub joined: Stamp,
}

impl Caller {
    pub fn new(at: At, op: usize, drawn: u8) -> Self {
        Self {
            at,
            op,
            floor: 0,
            wrote: 0,
            value: 0,
            token: (0, 0),
            drawn,
            lost: vec![],
            pipeline: Pipeline::default(),
            reply: None,
            stamp: 0,
            body_stamp: 0,
            joined: 0,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.at, At::Done | At::Dead)
    }

    pub fn holds_on_to(&self, token: Token) -> bool {
        self.token == token && matches!(self.at, At::Sent(_) | At::Body(_) | At::Loaded(_))
    }

    /// Whether it loads, and keeps others from loading.
    pub fn loads(&self) -> bool {
        use Load::{Behind, Lead};
        matches!(self.at, At::Body(Lead | Behind) | At::Loaded(Lead | Behind))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub source: Version,
    pub redis: Redis,
    /// What a failover would bring back.
    pub replica: Option<(Stored, Option<Token>)>,
    /// No read that begins now may return an older version.
    pub floor: Version,
    /// For each process, who leads the flight that callers may join.
    pub board: Vec<Option<usize>>,
    pub callers: Vec<Caller>,
    /// What its sender gave up on, and may arrive yet.
    pub late: Vec<Pipeline>,
    pub faults: Faults,
    /// A lease or a refresh token was taken away, so that a second load is nobody's fault.
    pub disturbed: bool,
    pub stale_read: bool,
}

impl State {
    /// The sender waits no longer; what the server has not taken may arrive at any time.
    pub fn abandon(&mut self, who: usize) {
        let caller = &mut self.callers[who];
        caller.reply = None;
        let rest = std::mem::take(&mut caller.pipeline);
        if rest.writes() {
            self.late.push(rest);
            self.late.sort();
        }
    }

    pub fn run(&mut self, command: Command) -> Reply {
        let before = (self.redis.key, self.redis.refresh);
        let reply = self.redis.run(command);
        let changed = before != (self.redis.key, self.redis.refresh);
        self.disturbed |= command.takes_away() && changed;
        reply
    }
}
