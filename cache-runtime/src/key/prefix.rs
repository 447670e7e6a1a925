//! The first part of every key of one cache.

/// The text before the name of a key, with what separates the two.
///
/// A prefix ends with `:`. A prefix that holds `:` itself ends with `::`, which nothing else in a
/// key writes: prefix `shop`, name `users` and prefix `shop:users` never make one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefix(Box<str>);

impl Prefix {
    /// Returns the beginning of keys for [`Config::prefix`](crate::Config::prefix). An empty prefix
    /// writes nothing.
    pub(crate) fn new(prefix: &str) -> Self {
        let separator = match prefix {
            "" => "",
            _ if prefix.contains(':') => "::",
            _ => ":",
        };
        Self(format!("{prefix}{separator}").into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the rest of a key that begins with this prefix.
    pub(crate) fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.as_str())
    }
}
