//! Values as plain JSON, and the only place that asks for serde.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::guard;
use crate::keep::{ClonedBy, Copying, Policy};
use crate::near::{Copied, Life};
use crate::spec::Spec;

mod asking;
mod checked;
mod compare;
mod fields;
mod kept;
mod out;
mod reading;
mod same;
mod store;

pub use self::compare::Lossy;
pub(crate) use self::compare::{By, Compare, Equal, Hidden, Shown, Unequal};
pub use self::kept::Stored;
pub(crate) use self::store::{Written, encode};

/// What an annotated function can return: anything that serde can write and read back.
///
/// It is implemented for all such types; there is nothing to implement by hand.
// Without supertraits, and with a method where a function with a bound would do: the compiler quotes
// either of them in every error about a type that cannot be stored.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the cache",
    label = "must be `Serialize` and `DeserializeOwned`",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on your type; crates often have a `serde` feature for theirs"
)]
pub trait Cacheable: Sized {
    /// A value as JSON that comes back equal.
    #[doc(hidden)]
    fn written<C: Compare<Self>>(
        value: &Self,
        null_is_absence: bool,
        spec: &Spec,
    ) -> Result<Written, Error>;

    /// The codec of a return type that holds this value, chosen by its policy.
    #[doc(hidden)]
    #[must_use]
    fn codec<R, P, C>(policy: P, comparison: C) -> Codec<R>
    where
        P: Policy<R, Value = Self>,
        C: Compare<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Cacheable for T {
    fn written<C: Compare<Self>>(
        value: &Self,
        null_is_absence: bool,
        spec: &Spec,
    ) -> Result<Written, Error> {
        store::written::<Self, C>(value, null_is_absence, spec)
    }

    fn codec<R, P, C>(_policy: P, _comparison: C) -> Codec<R>
    where
        P: Policy<R, Value = Self>,
        C: Compare<Self>,
    {
        Codec {
            encode: |returned, spec| match P::kept(returned) {
                None => Ok(Written::Error),
                // A present value is written as itself and an absent one as `null`.
                Some(kept) => match P::value(kept) {
                    None => Ok(Written::absence()),
                    Some(value) => Self::written::<C>(value, P::from_value(None).is_some(), spec),
                },
            },
            decode: |json| {
                if json == NULL
                    && let Some(kept) = P::from_value(None)
                {
                    return Ok((P::join(kept), true));
                }
                match decode(json) {
                    Ok(value) => {
                        // Behind a type parameter, only the value itself knows whether it is a `None`.
                        let absent = json == NULL && store::is_absence(&value);
                        match P::from_value(Some(value)) {
                            Some(kept) => Ok((P::join(kept), absent)),
                            None => Err(unreadable()),
                        }
                    }
                    Err(error) => Err(error),
                }
            },
            copies: None,
        }
    }
}

/// How the absence of a value is written.
const NULL: &[u8] = b"null";

/// Writes the kept part of an `R` and reads it back. Two function pointers, so that what drives a
/// call is compiled once per return type and not once per function.
#[derive(Debug)]
pub struct Codec<R> {
    pub(crate) encode: Encode<R>,
    pub(crate) decode: Decode<R>,
    /// With the option `near`. Behind one pointer, since the future of every annotated function holds
    /// a codec.
    pub(crate) copies: Option<fn() -> Copies<R>>,
}

/// What is stored of a return value of this function.
pub(crate) type Encode<R> = fn(&R, &Spec) -> Result<Written, Error>;
/// The value, and whether it is absent.
pub(crate) type Decode<R> = fn(&[u8]) -> Result<(R, bool), Error>;

impl<R> Clone for Codec<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Codec<R> {}

/// Takes a copy of the kept part of an `R`, and makes an `R` of one.
pub(crate) struct Copies<R> {
    pub(crate) take: fn(&R, Life) -> Option<Arc<Copied>>,
    pub(crate) give: fn(&Copied) -> Option<R>,
}

/// What `near` asks of a value: that the process can hand out clones of it.
// Like `Cacheable` without supertraits, and with a method.
#[diagnostic::on_unimplemented(
    message = "`near` cannot keep a copy of `{Self}` in the process",
    label = "must be `Clone`, `Send`, `Sync` and own what it holds",
    note = "put `#[derive(Clone)]` on your type, or return an `Arc` of it"
)]
pub trait NearValue: Sized {
    /// The codec of a return type that holds this value, with copies.
    #[doc(hidden)]
    #[must_use]
    fn near<R, P, C>(policy: P, cloned: ClonedBy<C>, codec: Codec<R>) -> Codec<R>
    where
        P: Policy<R, Value = Self>,
        C: Copying;
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> NearValue for T {
    fn near<R, P, C>(_policy: P, _cloned: ClonedBy<C>, codec: Codec<R>) -> Codec<R>
    where
        P: Policy<R, Value = Self>,
        C: Copying,
    {
        let copies = || Copies {
            take: |returned, life| {
                let value: Option<T> = P::value(P::kept(returned)?).cloned();
                Some(Copied::new(life, value))
            },
            give: |copied| {
                let value = copied.value::<Option<T>>()?;
                let value = match C::MAY_PANIC {
                    true => guard::of_user(|| value.clone())?,
                    false => value.clone(),
                };
                P::from_value(value).map(P::join)
            },
        };
        Codec {
            copies: Some(copies),
            ..codec
        }
    }
}

fn unwritable(cause: serde_json::Error) -> Error {
    Error::new(ErrorKind::Encode, "the value cannot be written as JSON").because(cause)
}

pub(crate) fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    match serde_json::from_slice(json) {
        Ok(value) => Ok(value),
        // The cause is not kept: serde's messages quote what they met, which is the stored value.
        Err(_) => Err(unreadable()),
    }
}

fn unrepeatable() -> Error {
    Error::new(
        ErrorKind::Encode,
        "the value cannot be read back from the JSON that it is written as",
    )
}

fn never_kept() -> Error {
    Error::new(
        ErrorKind::Encode,
        "an `Err` is never stored; put the value that an `Ok` would hold",
    )
}

pub(crate) fn unreadable() -> Error {
    Error::new(
        ErrorKind::Decode,
        "what is stored is not JSON of the expected type",
    )
}

#[cfg(test)]
mod tests;
