//! Arguments become key text, injectively: different arguments never share a key.
//!
//! The text of a part uses only `A-Z a-z 0-9 - _ . ~` bare (the unreserved characters of
//! [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3), so other languages have the
//! encoder in their standard library) and percent-escapes every other byte. What structures parts
//! is therefore never part of one: `:` between parts, `[a,b]`, `(a,b)`, `!` for `None`, `+x` for
//! `Some(x)`, a lone `%` for the empty text.

mod part;
mod writer;

use std::fmt;

pub use self::part::{CacheKey, KeyArg};
pub use self::writer::KeyWriter;

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

    /// This key in a cache with this prefix, where one key has one form: raw text that begins with
    /// the prefix is the key that the rest of it encodes.
    pub(crate) fn under(self, prefix: &str) -> Self {
        if !self.raw {
            return self;
        }
        let rest = match prefix {
            "" => Some(self.text.as_str()),
            _ => self
                .text
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix(':')),
        };
        match rest {
            Some(rest) => Self {
                text: rest.to_owned(),
                raw: false,
            },
            None => self,
        }
    }

    /// Where the token of a refresh of this key's value stands. Its braces put it into the same
    /// slot of a cluster, which hashes what is in the first braces, or else the whole key. No name
    /// and no part holds a brace of its own, so it is nobody's key.
    pub(crate) fn refresh_on_server(&self, prefix: &str) -> String {
        let whole = self.on_server(prefix);
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}:")
        };
        match hash_tag(&whole) {
            None => format!("{prefix}refresh:{{{whole}}}"),
            // Only a key by hand can have one.
            Some(tag) => format!("{prefix}refresh:{{{tag}}}:{whole}"),
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
    pub(crate) fn on_server(&self, prefix: &str) -> String {
        if self.raw || prefix.is_empty() {
            return self.text.clone();
        }
        let mut full = String::with_capacity(prefix.len() + 1 + self.text.len());
        full.push_str(prefix);
        full.push(':');
        full.push_str(&self.text);
        full
    }

    pub(crate) fn len_on_server(&self, prefix: &str) -> usize {
        let prefixed = !self.raw && !prefix.is_empty();
        self.text.len() + if prefixed { prefix.len() + 1 } else { 0 }
    }
}

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
