//! Turns a value into the bytes that are stored: it is written, read back and compared.

use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checked::{Checked, Notes, Whole};
use super::compare::{Compare, is_shown_alike};
use super::fields::{Fields, Structs};
use super::out::Out;
use super::same::is_written_as;
use super::{NULL, unrepeatable, unwritable};
use crate::error::{Error, ErrorKind};
use crate::spec::Spec;

/// The stored part of a return value.
#[derive(Debug)]
pub enum Written {
    /// Nothing: it is an `Err`.
    Error,
    /// This, and whether it is the absence of a value.
    Json {
        /// The bytes.
        json: Vec<u8>,
        /// It is `None`.
        absent: bool,
        /// The name of the type, of a value that is not absent.
        of: Option<&'static str>,
    },
}

impl Written {
    pub(super) fn absence() -> Self {
        Self::Json {
            json: NULL.to_vec(),
            absent: true,
            of: None,
        }
    }
}

/// Returns the value as JSON that is read back equal. With `null_is_absence`, `null` is read as `None`.
pub(super) fn written<T, C>(value: &T, null_is_absence: bool, spec: &Spec) -> Result<Written, Error>
where
    T: Serialize + DeserializeOwned,
    C: Compare<T>,
{
    let mut notes = Notes::new(C::IS_LOSSY);
    notes.structs = C::NAMES_FIELDS.then(Structs::default);
    let mut out = Out::collected(spec.expected_bytes());
    if let Err(cause) = write(value, &mut out, &notes) {
        return match notes.whole.get() {
            Whole::Error => Ok(Written::Error),
            Whole::Value | Whole::Absence => Err(refused(&notes, cause)),
        };
    }
    let json = out.into_json();
    spec.expect_bytes(json.len());
    let mut absent = notes.whole.get() == Whole::Absence;
    if null_is_absence && json == NULL {
        if !C::IS_LOSSY {
            return Err(taken_for_none());
        }
        absent = true;
    }
    // Some values are written as what no hit could read: lists in lists deeper than what is read. Each
    // call would load them again, and store them again.
    let signature = notes.structs.as_ref().map(signature::<T>);
    let unknown = signature.filter(|signature| !spec.has_compared(*signature));
    let fields = unknown.and_then(|_| fields_of(value));
    let back = C::read(&json, fields.as_ref()).map_err(|lost| match lost {
        Some(field) => lost_field(&field),
        None => unrepeatable(),
    })?;
    let is_equal = match C::are_equal(value, &back) {
        Some(is_equal) => is_equal,
        None => {
            let is_shown = || C::show().filter(|_| C::SHOWS_EACH || spec.shows_this_one());
            is_written_alike(&back, &json)
                && is_shown().is_none_or(|show| is_shown_alike(show, value, &back))
        }
    };
    if !is_equal {
        return Err(changed());
    }
    if let Some(signature) = unknown {
        spec.set_compared(signature);
    }
    let of = Some(std::any::type_name::<T>());
    Ok(Written::Json { json, absent, of })
}

/// Returns a hash of the type and of the structs that were written. These alone decide whether reading
/// knows fields that writing does not, so one comparison serves all values with this hash.
fn signature<T>(structs: &Structs) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    typeid::of::<T>().hash(&mut hasher);
    structs.signature() ^ hasher.finish()
}

/// Returns the names of the fields that writing a value visits.
fn fields_of<T: Serialize>(value: &T) -> Option<Fields> {
    let mut notes = Notes::new(true);
    notes.fields = Some(Fields::default());
    let _ = write(value, &mut Out::collected(USUAL), &notes);
    notes.fields
}

/// The first capacity of a buffer, in bytes, as in `serde_json::to_vec`.
const USUAL: usize = 128;

/// Returns whether a value that is written as `null` is a `None`.
pub(super) fn is_absence<T: Serialize>(value: &T) -> bool {
    let notes = Notes::new(true);
    let written = write(value, &mut Out::collected(USUAL), &notes);
    written.is_ok() && notes.whole.get() == Whole::Absence
}

/// Returns a value that is stored by hand as JSON, unless JSON cannot express a part of it.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let notes = Notes::new(false);
    let mut out = Out::collected(USUAL);
    let mut json = serde_json::Serializer::new(&mut out);
    match value.serialize(Checked::part(&mut json, &notes)) {
        Ok(()) => Ok(out.into_json()),
        Err(cause) => Err(refused(&notes, cause)),
    }
}

/// Returns whether the value that was read back is written as the same JSON.
fn is_written_alike<T: Serialize>(back: &T, json: &[u8]) -> bool {
    if is_written_as(back, json) {
        return true;
    }
    // What it holds was not refused the first time.
    let notes = Notes::new(true);
    let mut out = Out::compared(json);
    write(back, &mut out, &notes).is_ok() && out.is_equal()
}

/// Writes the value. Compiled once for each type, for the JSON and for the comparison with it.
fn write<T: Serialize>(
    value: &T,
    out: &mut Out<'_>,
    notes: &Notes,
) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Serializer::new(out);
    value.serialize(Checked::whole(&mut json, notes))
}

/// Returns the error of a value that was refused. Serde's own text is left out, since it may quote values.
fn refused(notes: &Notes, cause: serde_json::Error) -> Error {
    match notes.refused.get() {
        Some(why) => Error::new(ErrorKind::Encode, accepted_by_lossy(why)),
        None => unwritable(cause),
    }
}

fn accepted_by_lossy(why: &str) -> String {
    format!("{why}; the option `lossy` accepts that")
}

fn lost_field(field: &str) -> Error {
    let why = format!("the field {field} is read but not written, so that a hit has its default");
    Error::new(ErrorKind::Encode, accepted_by_lossy(&why))
}

fn changed() -> Error {
    let why = "the value that is read back from its JSON is not equal to it";
    Error::new(ErrorKind::Encode, accepted_by_lossy(why))
}

/// Returns the error of `Some(None)` and `Some(())`, which JSON cannot distinguish from `None`.
fn taken_for_none() -> Error {
    let why = "the value is written as `null` in JSON, which is read back as `None`";
    Error::new(ErrorKind::Encode, accepted_by_lossy(why))
}
