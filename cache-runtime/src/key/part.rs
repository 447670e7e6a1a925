//! What can be part of a key, and what a companion takes for it.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::KeyWriter;

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

macro_rules! as_integer {
    ($($type:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl CacheKey for $type {
            fn write(&self, key: &mut KeyWriter) {
                key.integer(*self);
            }
        }
    )*};
}

as_integer!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);
as_displayed!(bool, char);
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
            None => key.mark('!'),
            Some(value) => {
                key.mark('+');
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
