//! Values as plain JSON, and the only place that asks for serde.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::keep::Policy;
use crate::near::{Copied, Life};

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
    /// A value as JSON.
    #[doc(hidden)]
    fn to_json(value: &Self) -> Result<Vec<u8>, Error>;

    /// The codec of a return type that holds this value, chosen by its policy.
    #[doc(hidden)]
    #[must_use]
    fn codec<R, P: Policy<R, Value = Self>>(policy: P) -> Codec<R>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Cacheable for T {
    fn to_json(value: &Self) -> Result<Vec<u8>, Error> {
        let json = encode(value)?;
        // Some values are written as what no hit could read: NaN as `null`, lists in lists in
        // lists deeper than what is read. Each call would load them again, and store them again.
        // A miss pays for knowing it what a hit pays for reading.
        match decode::<Self>(&json) {
            Ok(_) => Ok(json),
            Err(_) => Err(unrepeatable()),
        }
    }

    #[expect(
        clippy::manual_map,
        reason = "what is called here is compiled once for each return type"
    )]
    fn codec<R, P: Policy<R, Value = Self>>(_policy: P) -> Codec<R> {
        Codec {
            encode: |returned| match P::kept(returned) {
                None => None,
                // A present value is written as itself and an absent one as `null`.
                Some(kept) => Some(match P::value(kept) {
                    None => (Ok(NULL.to_vec()), true),
                    Some(value) => match Self::to_json(value) {
                        Ok(json) if json == NULL && P::from_value(None).is_some() => {
                            (Err(taken_for_none()), false)
                        }
                        json => (json, false),
                    },
                }),
            },
            decode: |json| {
                if json == NULL
                    && let Some(kept) = P::from_value(None)
                {
                    return Ok((P::join(kept), true));
                }
                match decode(json) {
                    Ok(value) => match P::from_value(Some(value)) {
                        Some(kept) => Ok((P::join(kept), false)),
                        None => Err(unreadable()),
                    },
                    Err(error) => Err(error),
                }
            },
            copies: None,
            value: std::any::type_name::<Self>,
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
    /// The name of the type that is written.
    pub(crate) value: fn() -> &'static str,
}

pub(crate) type Encoded = Result<Vec<u8>, Error>;
/// What is kept, if anything is, and whether that is the absence of a value.
pub(crate) type Encode<R> = fn(&R) -> Option<(Encoded, bool)>;
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
    fn near<R, P: Policy<R, Value = Self>>(policy: P, codec: Codec<R>) -> Codec<R>;
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> NearValue for T {
    fn near<R, P: Policy<R, Value = Self>>(_policy: P, codec: Codec<R>) -> Codec<R> {
        let copies = || Copies {
            take: |returned, life| {
                let value: Option<T> = P::value(P::kept(returned)?).cloned();
                Some(Copied::new(life, value))
            },
            give: |copied| {
                let value: Option<T> = copied.value::<Option<T>>()?.clone();
                P::from_value(value).map(P::join)
            },
        };
        Codec {
            copies: Some(copies),
            ..codec
        }
    }
}

/// What `put` takes for a function that returns `R`: the value itself, without the `Ok` or `Some`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what the function keeps",
    label = "expected the value inside `{R}`"
)]
pub trait Stored<R> {
    /// The value as JSON, and whether it is the absence of one.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] if it cannot be written as JSON.
    fn json(&self, codec: Codec<R>) -> Result<(Vec<u8>, bool), Error>;
}

// One impl that leads to all others, as for [`KeyArg`](crate::KeyArg).
#[diagnostic::do_not_recommend]
impl<R, V: IsKeptIn<R> + ?Sized> Stored<R> for V {
    fn json(&self, codec: Codec<R>) -> Result<(Vec<u8>, bool), Error> {
        IsKeptIn::json(self, codec)
    }
}

/// What [`Stored`] is for.
#[doc(hidden)]
pub trait IsKeptIn<R> {
    fn json(&self, codec: Codec<R>) -> Result<(Vec<u8>, bool), Error>;
}

// What the function returns, as a whole: a `Result` is no exception where serde can write it, but it
// is not what a hit reads.
impl<R: Cacheable> IsKeptIn<R> for R {
    fn json(&self, codec: Codec<R>) -> Result<(Vec<u8>, bool), Error> {
        let Some((json, absent)) = (codec.encode)(self) else {
            return Err(never_kept());
        };
        Ok((json?, absent))
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<T, E>> for T {
    fn json(&self, _codec: Codec<Result<T, E>>) -> Result<(Vec<u8>, bool), Error> {
        Ok((Cacheable::to_json(self)?, false))
    }
}

impl<T: Cacheable> IsKeptIn<Option<T>> for T {
    fn json(&self, _codec: Codec<Option<T>>) -> Result<(Vec<u8>, bool), Error> {
        Ok((Cacheable::to_json(self)?, false))
    }
}

impl<T: Cacheable, E> IsKeptIn<Result<Option<T>, E>> for T {
    fn json(&self, _codec: Codec<Result<Option<T>, E>>) -> Result<(Vec<u8>, bool), Error> {
        Ok((Cacheable::to_json(self)?, false))
    }
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    match serde_json::to_vec(value) {
        Ok(json) => Ok(json),
        Err(cause) => Err(unwritable(cause)),
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

/// `Some(None)` and `Some(())`, which JSON has no other word for.
fn taken_for_none() -> Error {
    Error::new(
        ErrorKind::Encode,
        "the value is written as `null` in JSON, which is read back as `None`",
    )
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::Decode,
        "what is stored is not JSON of the expected type",
    )
}

#[cfg(test)]
mod tests;
