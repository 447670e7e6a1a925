//! Arguments become key text, injectively: different arguments never share a key.
//!
//! The text of a part uses only `A-Z a-z 0-9 - _ . ~` bare (the unreserved characters of
//! [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3), so other languages have the
//! encoder in their standard library) and percent-escapes every other byte. What structures parts
//! is therefore never part of one: `:` between parts, `[a,b]`, `(a,b)`, `!` for `None`, `+x` for
//! `Some(x)`, a lone `%` for the empty text.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

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
        let mut writer = KeyWriter { text: self.text };
        writer.separate();
        part.write(&mut writer);
        Self {
            text: writer.text,
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

/// Takes the parts of a key; what an implementation of [`CacheKey`] writes to.
#[derive(Debug, Default)]
pub struct KeyWriter {
    text: String,
}

impl KeyWriter {
    /// Writes text so that it cannot be mistaken for anything else.
    pub fn text(&mut self, text: &str) {
        if text.is_empty() {
            self.text.push('%');
        }
        self.escaped(text);
    }

    /// Writes what `value` displays as, like [`text`](Self::text).
    pub fn display(&mut self, value: impl fmt::Display) {
        let before = self.text.len();
        // Writing to a string cannot fail; a `Display` that fails has written what it could.
        let _ = write!(Escaping(self), "{value}");
        if self.text.len() == before {
            self.text.push('%');
        }
    }

    /// Writes `name(a,b)`, the form of a struct or of a variant with fields; without parts the
    /// name alone, and `()` if the name is empty too.
    pub fn tuple(&mut self, name: &str, parts: &[&dyn CacheKey]) {
        self.escaped(name);
        if parts.is_empty() && !name.is_empty() {
            return;
        }
        self.enclosed('(', ')', parts.iter().copied());
    }

    /// Begins the form of a struct or of a variant with fields.
    #[doc(hidden)]
    pub fn open(&mut self, name: &str) {
        self.escaped(name);
        self.text.push('(');
    }

    /// Writes the mark between two fields.
    #[doc(hidden)]
    pub fn and(&mut self) {
        self.text.push(',');
    }

    /// Ends what [`open`](Self::open) began.
    #[doc(hidden)]
    pub fn close(&mut self) {
        self.text.push(')');
    }

    /// Writes `[a,b]`, the form of a list.
    pub fn list<'a, T: CacheKey + ?Sized + 'a>(&mut self, parts: impl IntoIterator<Item = &'a T>) {
        self.enclosed('[', ']', parts);
    }

    /// Writes the mark between two parts.
    #[doc(hidden)]
    pub fn separate(&mut self) {
        self.text.push(':');
    }

    /// Writes text of a template as it stands.
    #[doc(hidden)]
    pub fn literal(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Writes the name that begins a key. A name is the program's own text, so it stays readable;
    /// only what would steer a cluster or break a line is escaped.
    pub(crate) fn name(&mut self, name: &str) {
        for c in name.chars() {
            match c {
                '{' | '}' | '%' => self.escaped(c.encode_utf8(&mut [0; 4])),
                c if c.is_control() => self.escaped(c.encode_utf8(&mut [0; 4])),
                c => self.text.push(c),
            }
        }
    }

    pub(crate) fn version(&mut self, version: u64) {
        if version != 0 {
            let _ = write!(self.text, "@{version}");
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn up_to(&self, end: usize) -> &str {
        &self.text[..end]
    }

    pub(crate) fn finish(self) -> Key {
        Key {
            text: self.text,
            raw: false,
        }
    }

    fn enclosed<'a, T: CacheKey + ?Sized + 'a>(
        &mut self,
        open: char,
        close: char,
        parts: impl IntoIterator<Item = &'a T>,
    ) {
        self.text.push(open);
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            part.write(self);
        }
        self.text.push(close);
    }

    fn escaped(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    self.text.push(char::from(byte));
                }
                _ => {
                    self.text.push('%');
                    self.text.push(char::from(HEX[usize::from(byte >> 4)]));
                    self.text.push(char::from(HEX[usize::from(byte & 15)]));
                }
            }
        }
    }
}

struct Escaping<'a>(&'a mut KeyWriter);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text);
        Ok(())
    }
}

/// What can be part of a key.
///
/// Derive it, or write one method in terms of a type that has it:
///
/// ```
/// use cache_runtime::{CacheKey, KeyWriter};
///
/// #[derive(CacheKey)]
/// struct Page {
///     tenant: String,
///     number: u32,
/// }
///
/// struct Email(String);
///
/// impl CacheKey for Email {
///     fn write(&self, key: &mut KeyWriter) {
///         self.0.to_lowercase().write(key);
///     }
/// }
/// ```
///
/// Floats have none: `NaN` differs from itself, and two computations of one number seldom agree to
/// the last bit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "not a `CacheKey`: name other arguments or a field in `key`, or derive it"
)]
pub trait CacheKey {
    /// Writes this value as one part of a key. Two values that answer differently must write
    /// different text.
    fn write(&self, key: &mut KeyWriter);
}

// The implementations are not recommended: the compiler would list some of them, and hide what
// helps below.

macro_rules! as_displayed {
    ($($type:ty),* $(,)?) => {$(
        #[diagnostic::do_not_recommend]
        impl CacheKey for $type {
            fn write(&self, key: &mut KeyWriter) {
                key.display(self);
            }
        }
    )*};
}

as_displayed!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char
);
as_displayed!(
    std::num::NonZeroU8,
    std::num::NonZeroU16,
    std::num::NonZeroU32,
    std::num::NonZeroU64,
    std::num::NonZeroU128,
    std::num::NonZeroUsize,
    std::num::NonZeroI8,
    std::num::NonZeroI16,
    std::num::NonZeroI32,
    std::num::NonZeroI64,
    std::num::NonZeroI128,
    std::num::NonZeroIsize,
    std::net::IpAddr,
    std::net::Ipv4Addr,
    std::net::Ipv6Addr,
    std::net::SocketAddr,
);

#[cfg(feature = "uuid")]
as_displayed!(uuid::Uuid);

#[cfg(feature = "chrono")]
as_displayed!(chrono::NaiveDate);

#[cfg(feature = "time")]
as_displayed!(time::Date);

#[diagnostic::do_not_recommend]
impl CacheKey for str {
    fn write(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

#[diagnostic::do_not_recommend]
impl CacheKey for String {
    fn write(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

macro_rules! as_pointed_to {
    ($($pointer:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: CacheKey + ?Sized> CacheKey for $pointer {
            fn write(&self, key: &mut KeyWriter) {
                (**self).write(key);
            }
        }
    )*};
}

as_pointed_to!(&T, Box<T>, Rc<T>, Arc<T>);

#[diagnostic::do_not_recommend]
impl<T: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, T> {
    fn write(&self, key: &mut KeyWriter) {
        (**self).write(key);
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey> CacheKey for Option<T> {
    fn write(&self, key: &mut KeyWriter) {
        match self {
            None => key.text.push('!'),
            Some(value) => {
                key.text.push('+');
                value.write(key);
            }
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey> CacheKey for [T] {
    fn write(&self, key: &mut KeyWriter) {
        key.list(self);
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey> CacheKey for Vec<T> {
    fn write(&self, key: &mut KeyWriter) {
        key.list(self);
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey, const N: usize> CacheKey for [T; N] {
    fn write(&self, key: &mut KeyWriter) {
        key.list(self);
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($name: CacheKey),*> CacheKey for ($($name,)*) {
            fn write(&self, key: &mut KeyWriter) {
                key.tuple("", &[$(&self.$index),*]);
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// What a companion takes for an argument of type `T`: a `T`, a `&T`, or what a caller has at hand
/// instead (`&str` for a `String`, a slice for a `Vec`). It writes the same text as the `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stand for an argument of type `{T}`",
    label = "expected `{T}`, or a reference to one"
)]
pub trait KeyArg<T: ?Sized> {
    /// Writes the argument as one part of a key.
    fn write(&self, key: &mut KeyWriter);
}

// One impl that leads to all others: of an argument that does not stand for a `T` the compiler then
// says just that, and neither where the bound was met nor what else is implemented.
#[diagnostic::do_not_recommend]
impl<T: ?Sized, A: Means<T> + ?Sized> KeyArg<T> for A {
    fn write(&self, key: &mut KeyWriter) {
        Means::write(self, key);
    }
}

/// What [`KeyArg`] is for.
#[doc(hidden)]
pub trait Means<T: ?Sized> {
    fn write(&self, key: &mut KeyWriter);
}

impl<T: CacheKey + ?Sized> Means<T> for T {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

impl<T: CacheKey> Means<T> for &T {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

impl Means<String> for &str {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

impl<T: CacheKey> Means<Vec<T>> for &[T] {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

impl<T: CacheKey, const N: usize> Means<Vec<T>> for [T; N] {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

impl<T: CacheKey, const N: usize> Means<Vec<T>> for &[T; N] {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

impl Means<Option<String>> for Option<&str> {
    fn write(&self, key: &mut KeyWriter) {
        CacheKey::write(self, key);
    }
}

#[cfg(test)]
mod tests;
