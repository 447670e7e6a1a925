//! The values that `put` accepts for a function: the stored value in the forms that a program has.

use super::compare::{ByFields, Compare, Lossy};
use super::store::Written;
use super::{Cacheable, Codec, never_kept};
use crate::error::Error;
use crate::guard;
use crate::spec::Spec;

/// A value that `put` accepts for a function that returns `R`: the value without its `Ok` or `Some`. `V`
/// is the type of the value in the signature.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what the function keeps",
    label = "expected the value inside `{R}`"
)]
pub trait Stored<R, V> {
    /// The value as JSON, and whether it is the absence of one.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if it cannot be written as JSON that comes back
    /// equal.
    fn json<C: Compare<V>>(
        &self,
        codec: Codec<R>,
        comparison: C,
        spec: &Spec,
    ) -> Result<(Vec<u8>, bool), Error>;
}

// One impl that leads to all others, as for [`KeyArg`](crate::KeyArg).
#[diagnostic::do_not_recommend]
impl<R, V, K: IsKeptIn<R, V> + ?Sized> Stored<R, V> for K {
    fn json<C: Compare<V>>(
        &self,
        codec: Codec<R>,
        _comparison: C,
        spec: &Spec,
    ) -> Result<(Vec<u8>, bool), Error> {
        let written = guard::of_user(|| IsKeptIn::written::<C>(self, codec, spec));
        match written.unwrap_or_else(|| Err(Error::of_panic()))? {
            Written::Error => Err(never_kept()),
            Written::Json { json, absent, .. } => Ok((json, absent)),
        }
    }
}

/// The implementations of [`Stored`].
#[doc(hidden)]
pub trait IsKeptIn<R, V> {
    fn written<C: Compare<V>>(&self, codec: Codec<R>, spec: &Spec) -> Result<Written, Error>;
}

// What the function returns, as a whole: a `Result` is no exception where serde can write it, but it
// is not what a hit reads.
impl<R: Cacheable, V> IsKeptIn<R, V> for R {
    fn written<C: Compare<V>>(&self, codec: Codec<R>, spec: &Spec) -> Result<Written, Error> {
        (codec.encode)(self, spec)
    }
}

/// Compares a value whose type is known, but not the traits of it.
fn by_fields<T: Cacheable, V, C: Compare<V>>(
    value: &T,
    null_is_absence: bool,
    spec: &Spec,
) -> Result<Written, Error> {
    match C::IS_LOSSY {
        true => T::written::<Lossy>(value, null_is_absence, spec),
        false => T::written::<ByFields<T>>(value, null_is_absence, spec),
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<T, E>, T> for T {
    fn written<C: Compare<T>>(
        &self,
        _codec: Codec<Result<T, E>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        Cacheable::written::<C>(self, false, spec)
    }
}

impl<T: Cacheable> IsKeptIn<Option<T>, T> for T {
    fn written<C: Compare<T>>(
        &self,
        _codec: Codec<Option<T>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        Cacheable::written::<C>(self, true, spec)
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<Option<T>, E>, T> for T {
    fn written<C: Compare<T>>(
        &self,
        _codec: Codec<Result<Option<T>, E>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        Cacheable::written::<C>(self, true, spec)
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<Self, E>, T> for Option<T> {
    fn written<C: Compare<T>>(
        &self,
        _codec: Codec<Result<Self, E>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        match self {
            None => Ok(Written::absence()),
            Some(value) => T::written::<C>(value, true, spec),
        }
    }
}

// Under an alias, of which the signature shows no more than the name.

impl<T: Cacheable, E> IsKeptIn<Result<T, E>, Result<T, E>> for T {
    fn written<C: Compare<Result<T, E>>>(
        &self,
        _codec: Codec<Result<T, E>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        by_fields::<T, _, C>(self, false, spec)
    }
}

impl<T: Cacheable> IsKeptIn<Option<T>, Option<T>> for T {
    fn written<C: Compare<Option<T>>>(
        &self,
        _codec: Codec<Option<T>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        by_fields::<T, _, C>(self, true, spec)
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<Option<T>, E>, Result<Option<T>, E>> for T {
    fn written<C: Compare<Result<Option<T>, E>>>(
        &self,
        _codec: Codec<Result<Option<T>, E>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        by_fields::<T, _, C>(self, true, spec)
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<Option<T>, E>, Option<T>> for T {
    fn written<C: Compare<Option<T>>>(
        &self,
        _codec: Codec<Result<Option<T>, E>>,
        spec: &Spec,
    ) -> Result<Written, Error> {
        by_fields::<T, _, C>(self, true, spec)
    }
}
