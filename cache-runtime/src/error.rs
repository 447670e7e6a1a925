//! What can go wrong in a verb of the cache, and how it is told.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Why a verb of the cache did not do its work.
///
/// An annotated function never returns one: whatever happens to Redis, its caller gets what the
/// body returns. Only what is asked of the cache itself (`open`, `ping`, `invalidate`, `put`,
/// `peek`, ...) can fail.
///
/// `Display` is one sentence that names the stage; the cause, if another library reported one, is
/// in [`source`](StdError::source). Neither holds a stored value or a password.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    text: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    is_unsent: bool,
}

/// The classes of [`Error`], to decide what to do about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot be right: a malformed URL, an unknown scheme, a bad prefix.
    Config,
    /// Another cache is already installed in this process.
    Installed,
    /// There is no cache to ask: none entered, none installed, no `REDIS_URL`.
    NoCache,
    /// The server could not be reached, or the connection to it broke.
    Unavailable,
    /// The server did not answer within the configured time.
    Timeout,
    /// The server answered with an error: wrong password, no permission, out of memory, ...
    Refused,
    /// The value cannot be written as JSON, or not be read back from it.
    Encode,
    /// What is stored is not JSON of the expected type.
    Decode,
    /// The key or the value is larger than what is cached.
    TooLarge,
    /// The time to live is zero.
    Ttl,
    /// The future or closure was no call of an annotated function, or more than one.
    NotCached,
    /// The cache was shut down, or this process was forked from the one that uses it.
    Closed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            text: text.into(),
            source: None,
            is_unsent: false,
        }
    }

    pub(crate) fn late() -> Self {
        Self::new(ErrorKind::Timeout, "redis did not answer in time")
    }

    /// A command that waited for others until its time was over. It says nothing of the server.
    pub(crate) fn unsent() -> Self {
        Self {
            is_unsent: true,
            ..Self::new(ErrorKind::Timeout, "redis was not asked in time")
        }
    }

    pub(crate) fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// The value's own code panicked on its way into the cache.
    pub(crate) fn of_panic() -> Self {
        Self::new(
            ErrorKind::Encode,
            "the value's own code panicked when it was written, read back or compared",
        )
    }

    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Adds the address of the server, and the cause.
    pub(crate) fn at(mut self, address: impl fmt::Display) -> Self {
        let cause = self.source.as_ref().map(|cause| format!(": {cause}"));
        self.text = format!("{} at {address}{}", self.text, cause.unwrap_or_default()).into();
        self
    }

    /// Whether the server may not have heard of it, and may hear of it later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout)
    }

    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Error");
        shown.field("kind", &self.kind).field("text", &self.text);
        if let Some(source) = &self.source {
            shown.field("source", &format_args!("{source}"));
        }
        shown.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
