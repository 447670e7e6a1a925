//! Arguments become key text, injectively: different arguments never share a key.
//!
//! The text of a part uses only `A-Z a-z 0-9 - _ . ~` bare (the unreserved characters of
//! [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3), so other languages have the
//! encoder in their standard library) and percent-escapes every other byte. What structures parts
//! is therefore never part of one: `:` between parts, `[a,b]`, `(a,b)`, `!` for `None`, `+x` for
//! `Some(x)`, a lone `%` for the empty text.

mod part;
mod prefix;
mod writer;

use std::fmt;
use std::io::Write;

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

pub use self::part::{CacheKey, KeyArg};
pub(crate) use self::prefix::Prefix;
pub use self::writer::KeyWriter;
pub(crate) use self::writer::MOST_SPARE;

/// The longest key that is cached, in bytes. Nothing is written after the end of a longer one.
pub(crate) const MAX_KEY_BYTES: usize = 4096;

/// A key of the cache, built by hand and encoded as the attribute encodes its own.
///
/// ```
/// use cache_runtime::Key;
///
/// let key = Key::new("users").part(&7).part("de/at");
/// assert_eq!(key.to_string(), "users:7:de%2Fat");
/// ```
///
/// The cache puts its prefix before it: with the prefix `shop`, this one is `shop:users:7:de%2Fat`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    text: String,
    raw: bool,
}

impl Key {
    /// A key that begins with `name`, which is what the option `name` gives an annotated function.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut writer = KeyWriter::default();
        writer.name(name);
        writer.finish()
    }

    /// This key with one more part.
    #[must_use]
    pub fn part(self, part: &(impl CacheKey + ?Sized)) -> Self {
        let mut writer = KeyWriter::after(self.text);
        writer.separate();
        part.write(&mut writer);
        writer.end_part();
        Self {
            text: writer.finish().text,
            raw: self.raw,
        }
    }

    /// This key with the option `version` of an annotated function. Zero is no version.
    ///
    /// ```
    /// # use cache_runtime::Key;
    /// let key = Key::new("profile").version(3).part(&7);
    /// assert_eq!(key.to_string(), "profile@3:7");
    /// ```
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        // A name holds no colon, so the first one is before the parts.
        let (name, parts) = self
            .text
            .split_at(self.text.find(':').unwrap_or(self.text.len()));
        let mut writer = KeyWriter::default();
        // Of two versions the last one counts.
        writer.encoded(name.split('@').next().unwrap_or_default());
        writer.version(version);
        writer.encoded(parts);
        Self {
            text: writer.finish().text,
            raw: self.raw,
        }
    }

    /// A key as the server has it, which takes no prefix.
    pub(crate) fn raw(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            raw: true,
        }
    }

    /// A key of this text, which is encoded already.
    pub(crate) fn of_parts(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            raw: false,
        }
    }

    /// This key in a cache with this prefix, where one key has one form: raw text that begins with
    /// the prefix is the key that the rest of it encodes.
    pub(crate) fn under(self, prefix: &Prefix) -> Self {
        if !self.raw {
            return self;
        }
        match prefix.strip(&self.text) {
            Some(rest) => Self::of_parts(rest),
            None => self,
        }
    }

    /// The key of the refresh token of this key's value. Its braces put it into the same slot of a
    /// cluster, which hashes what is in the first braces, or else the whole key. No name and no
    /// part holds a brace of its own, so it is nobody's key.
    pub(crate) fn refresh_on_server(&self, prefix: &Prefix) -> String {
        let whole = self.on_server(prefix);
        let prefix = prefix.as_str();
        // Only a key by hand can hold a brace.
        match hash_tag(&whole) {
            Some(tag) => format!("{prefix}refresh:{{{tag}}}:{whole}"),
            None if whole.contains(['{', '}']) => format!("{prefix}refresh:{{}}:{whole}"),
            None => format!("{prefix}refresh:{{{whole}}}"),
        }
    }

    /// The same in a store that knows no prefix.
    pub(crate) fn refresh(&self) -> Self {
        Self {
            text: format!("refresh:{{{}}}", self.text),
            raw: self.raw,
        }
    }

    /// The key as the server sees it, under this prefix.
    pub(crate) fn on_server(&self, prefix: &Prefix) -> String {
        self.under_prefix(prefix).to_string()
    }

    /// The same, not put together yet.
    pub(crate) fn under_prefix<'a>(&'a self, prefix: &'a Prefix) -> OnServer<'a> {
        OnServer {
            prefix: if self.raw { "" } else { prefix.as_str() },
            rest: &self.text,
        }
    }

    /// What stands before its parts.
    pub(crate) fn name(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }

    /// What the cache's prefix stands before; of a key by hand nothing.
    pub(crate) fn encoded(&self) -> Option<&str> {
        (!self.raw).then_some(&self.text)
    }

    /// Its length without the prefix, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn len_on_server(&self, prefix: &Prefix) -> usize {
        self.under_prefix(prefix).len()
    }

    /// Lets the next key on this thread be written where this one stood, so that a hit allocates
    /// nothing for its key.
    pub(crate) fn recycle(self) {
        writer::recycle(self.text);
    }
}

/// A key as the server sees it, before its pieces are put together: most ways to the server copy
/// them into a buffer anyway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnServer<'a> {
    prefix: &'a str,
    rest: &'a str,
}

impl<'a> OnServer<'a> {
    /// A key that was put together.
    pub(crate) fn whole(key: &'a str) -> Self {
        Self {
            prefix: "",
            rest: key,
        }
    }

    fn pieces(self) -> [&'a str; 2] {
        [self.prefix, self.rest]
    }

    pub(crate) fn len(self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    pub(crate) fn write_to(self, buffer: &mut Vec<u8>) {
        for piece in self.pieces() {
            buffer.extend_from_slice(piece.as_bytes());
        }
    }
}

impl fmt::Display for OnServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces()
            .iter()
            .try_for_each(|piece| f.write_str(piece))
    }
}

impl ToRedisArgs for OnServer<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let mut argument = out.writer_for_next_arg();
        for piece in self.pieces() {
            // What it writes to is memory, which takes everything.
            let _ = argument.write_all(piece.as_bytes());
        }
    }
}

impl ToSingleRedisArg for OnServer<'_> {}

/// What a cluster hashes of a key with braces
/// ([specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags)).
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.text)
    }
}

/// What a verb of [`Cache`](crate::Cache) takes as a key: a [`Key`], which is encoded and gets the
/// prefix, or text, which is the key exactly as the server has it.
pub trait AsKey {
    /// The key that is meant.
    fn as_key(&self) -> Key;
}

impl AsKey for Key {
    fn as_key(&self) -> Key {
        self.clone()
    }
}

impl AsKey for str {
    fn as_key(&self) -> Key {
        Key::raw(self)
    }
}

impl AsKey for String {
    fn as_key(&self) -> Key {
        Key::raw(self)
    }
}

impl<K: AsKey + ?Sized> AsKey for &K {
    fn as_key(&self) -> Key {
        (**self).as_key()
    }
}

#[cfg(test)]
mod tests;
