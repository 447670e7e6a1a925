//! Compares a value with the value that was read back, by the traits of its type.
//!
//! | type | compared by |
//! |---|---|
//! | with `PartialEq`, equal to itself | that |
//! | with `PartialEq`, not equal to itself | its JSON written again, and the text of `Debug` if it has one |
//! | with `Debug` | the names of its fields, its JSON written again, at times the text of `Debug` |
//! | any other | the names of its fields, its JSON written again |
//!
//! The compiler selects the comparison by the type, as in [`keep`](crate::keep). Only a type without
//! `PartialEq` is read by code that records its fields, because that code takes time to compile.

use std::fmt::{self, Debug};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::fields::Fields;
use super::out::Counts;
use super::reading;

/// Compares a value with the value that was read back.
pub trait Compare<T>: Copy {
    /// Whether nothing is compared, and nothing refused.
    #[doc(hidden)]
    const IS_LOSSY: bool = false;
    /// Whether the names of its fields are compared.
    #[doc(hidden)]
    const NAMES_FIELDS: bool = false;
    /// Whether the text of `Debug` is compared each time.
    #[doc(hidden)]
    const SHOWS_EACH: bool = false;

    /// Reads the value back. A field that is lost on the way is an error with its name.
    #[doc(hidden)]
    fn read(json: &[u8], fields: Option<&Fields>) -> Result<T, Option<String>>
    where
        T: DeserializeOwned,
    {
        let _ = fields;
        super::decode(json).map_err(|_| None)
    }

    /// Returns whether the two are equal, if the type has `PartialEq` and the value equals itself.
    #[doc(hidden)]
    fn are_equal(value: &T, back: &T) -> Option<bool>;

    /// Returns the function that writes the text of `Debug`, if the type has one.
    #[doc(hidden)]
    fn show() -> Option<Show<T>> {
        None
    }
}

/// A function that writes the text of `Debug`.
pub(crate) type Show<T> = fn(&T, &mut dyn fmt::Write) -> fmt::Result;

/// The type has `PartialEq`.
#[derive(Clone, Copy, Debug)]
pub enum Equal {}

/// The type has no `PartialEq`.
#[derive(Clone, Copy, Debug)]
pub enum Unequal {}

/// The type has `Debug`.
#[derive(Clone, Copy, Debug)]
pub enum Shown {}

/// The type has no `Debug`.
#[derive(Clone, Copy, Debug)]
pub enum Hidden {}

/// A comparison by the traits of a type.
#[derive(Debug)]
pub struct By<E, D, T>(PhantomData<Naming<E, D, T>>);

/// Owns none of them, so that a comparison is `Send` whatever they are.
type Naming<E, D, T> = fn() -> (E, D, T);

impl<E, D, T> By<E, D, T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E, D, T> Clone for By<E, D, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, D, T> Copy for By<E, D, T> {}

/// The option `lossy`: no comparison.
#[derive(Clone, Copy, Debug)]
pub struct Lossy;

impl<T> Compare<T> for Lossy {
    const IS_LOSSY: bool = true;

    fn are_equal(_value: &T, _back: &T) -> Option<bool> {
        Some(true)
    }
}

/// The comparison that needs no trait.
pub(super) type ByFields<T> = By<Unequal, Hidden, T>;

impl<T: PartialEq> Compare<T> for By<Equal, Hidden, T> {
    fn are_equal(value: &T, back: &T) -> Option<bool> {
        are_equal(value, back)
    }
}

impl<T: PartialEq + Debug> Compare<T> for By<Equal, Shown, T> {
    const SHOWS_EACH: bool = true;

    fn are_equal(value: &T, back: &T) -> Option<bool> {
        are_equal(value, back)
    }

    fn show() -> Option<Show<T>> {
        Some(show)
    }
}

impl<T> Compare<T> for By<Unequal, Hidden, T> {
    const NAMES_FIELDS: bool = true;

    fn read(json: &[u8], fields: Option<&Fields>) -> Result<T, Option<String>>
    where
        T: DeserializeOwned,
    {
        read(json, fields)
    }

    fn are_equal(_value: &T, _back: &T) -> Option<bool> {
        None
    }
}

impl<T: Debug> Compare<T> for By<Unequal, Shown, T> {
    const NAMES_FIELDS: bool = true;

    fn read(json: &[u8], fields: Option<&Fields>) -> Result<T, Option<String>>
    where
        T: DeserializeOwned,
    {
        read(json, fields)
    }

    fn are_equal(_value: &T, _back: &T) -> Option<bool> {
        None
    }

    fn show() -> Option<Show<T>> {
        Some(show)
    }
}

fn are_equal<T: PartialEq>(value: &T, back: &T) -> Option<bool> {
    if value == back {
        return Some(true);
    }
    // One that holds NaN is equal to nothing.
    #[expect(clippy::eq_op, reason = "it is the question")]
    (value == value).then_some(false)
}

fn read<T: DeserializeOwned>(json: &[u8], fields: Option<&Fields>) -> Result<T, Option<String>> {
    let Some(fields) = fields else {
        return super::decode(json).map_err(|_| None);
    };
    match reading::read(json, fields) {
        Ok((value, None)) => Ok(value),
        Ok((_, Some(lost))) => Err(Some(lost.to_text(fields))),
        Err(_) => Err(None),
    }
}

fn show<T: Debug>(value: &T, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{value:?}")
}

/// Returns whether the texts of `Debug` are equal up to the order of their bytes.
pub(super) fn is_shown_alike<T>(show: Show<T>, value: &T, back: &T) -> bool {
    let mut texts = Texts::default();
    let shown = show(value, &mut texts);
    texts.is_second = true;
    let shown = shown.and_then(|()| show(back, &mut texts));
    // With equal counts of each byte the lengths are equal, too.
    shown.is_ok() && texts.counts.are_balanced()
}

#[derive(Default)]
struct Texts {
    counts: Counts,
    is_second: bool,
}

impl fmt::Write for Texts {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self.is_second {
            false => self.counts.add(text.as_bytes()),
            true => self.counts.take(text.as_bytes()),
        }
        Ok(())
    }
}
