//! A serializer that checks a value while it writes it. It refuses floats that are not finite and a
//! `Some` that is read back as `None`, and finds an `Err` or a `None` behind transparent types.

use std::cell::Cell;
use std::fmt::Display;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::fields::{Fields, Place, Structs};

/// Findings about a value that is being written.
#[derive(Debug)]
pub(super) struct Notes {
    /// Whether nothing is refused.
    pub(super) lossy: bool,
    pub(super) whole: Cell<Whole>,
    pub(super) refused: Cell<Option<&'static str>>,
    /// The names of the structs, where a comparison may need those of their fields.
    pub(super) structs: Option<Structs>,
    /// The names of the fields, where a comparison needs them.
    pub(super) fields: Option<Fields>,
}

/// The value as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Value,
    /// `None`
    Absence,
    /// An `Err`, which is not written to its end.
    Error,
}

const NOT_FINITE: &str = "the value holds a float that is not finite, which JSON writes as `null`";
const SOME_NULL: &str =
    "the value holds a `Some` that JSON writes as `null`, which is read back as `None`";

impl Notes {
    pub(super) fn new(lossy: bool) -> Self {
        Self {
            lossy,
            whole: Cell::new(Whole::Value),
            refused: Cell::new(None),
            structs: None,
            fields: None,
        }
    }

    #[cold]
    fn refuse<E: ser::Error>(&self, why: &'static str) -> E {
        self.refused.set(Some(why));
        E::custom(why)
    }

    #[cold]
    fn is_error<E: ser::Error>(&self) -> E {
        self.whole.set(Whole::Error);
        E::custom("an `Err`")
    }
}

/// The place of a part in the value.
#[derive(Clone, Copy, Debug)]
struct At {
    /// Whether only transparent types are around it.
    top: bool,
    /// Whether it is the content of a `Some`.
    some: bool,
    /// The struct of which it is a field.
    field_of: Option<Place>,
}

const INSIDE: At = At {
    top: false,
    some: false,
    field_of: None,
};

/// A serializer that checks.
pub(super) struct Checked<'a, S> {
    inner: S,
    notes: &'a Notes,
    at: At,
}

impl<'a, S> Checked<'a, S> {
    /// Checks the value of an annotated function, and finds an `Err` or a `None`.
    pub(super) fn whole(inner: S, notes: &'a Notes) -> Self {
        let at = At {
            top: true,
            ..INSIDE
        };
        Self { inner, notes, at }
    }

    /// Checks a value that is stored by hand.
    pub(super) fn part(inner: S, notes: &'a Notes) -> Self {
        let at = INSIDE;
        Self { inner, notes, at }
    }

    #[inline]
    fn of<'v, T: ?Sized>(&self, value: &'v T, at: At) -> Part<'a, 'v, T> {
        let notes = self.notes;
        Part { value, notes, at }
    }

    fn compound<C>(inner: C, notes: &'a Notes, place: Option<Place>) -> Compound<'a, C> {
        Compound {
            inner,
            notes,
            place,
        }
    }
}

/// A value inside of another one.
struct Part<'a, 'v, T: ?Sized> {
    value: &'v T,
    notes: &'a Notes,
    at: At,
}

impl<T: Serialize + ?Sized> Serialize for Part<'_, '_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked {
            inner,
            notes: self.notes,
            at: self.at,
        })
    }
}

macro_rules! delegate {
    ($($method:ident: $type:ty,)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

macro_rules! finite {
    ($($method:ident: $type:ty,)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            if !value.is_finite() && !self.notes.lossy {
                return Err(self.notes.refuse(NOT_FINITE));
            }
            self.inner.$method(value)
        }
    )*};
}

impl<S: Serializer> Checked<'_, S> {
    /// Checks that `null` may be written here.
    #[inline]
    fn null(&self) -> Result<(), S::Error> {
        if self.at.some && !self.notes.lossy {
            return Err(self.notes.refuse(SOME_NULL));
        }
        Ok(())
    }

    #[inline]
    fn begin(
        &self,
        name: &'static str,
        variant: Option<&'static str>,
        len: usize,
    ) -> Option<Place> {
        if let Some(structs) = &self.notes.structs {
            structs.add(name, variant, len);
        }
        let fields = self.notes.fields.as_ref()?;
        Some(fields.begin(name, variant))
    }
}

impl<'a, S: Serializer> Serializer for Checked<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Compound<'a, S::SerializeSeq>;
    type SerializeTuple = Compound<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Compound<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Compound<'a, S::SerializeTupleVariant>;
    type SerializeMap = Compound<'a, S::SerializeMap>;
    type SerializeStruct = Compound<'a, S::SerializeStruct>;
    type SerializeStructVariant = Compound<'a, S::SerializeStructVariant>;

    delegate! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    finite! {
        serialize_f32: f32,
        serialize_f64: f64,
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.null()?;
        if self.at.top {
            self.notes.whole.set(Whole::Absence);
        }
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let at = At {
            some: true,
            field_of: None,
            ..self.at
        };
        let part = self.of(value, at);
        self.inner.serialize_some(&part)
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.null()?;
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.null()?;
        self.inner.serialize_unit_struct(name)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        if let (Some(place), Some(fields)) = (self.at.field_of, &self.notes.fields) {
            fields.holds_variant_of(place, name);
        }
        self.inner.serialize_unit_variant(name, index, variant)
    }

    // In JSON it is its content, also where that is `null`; but it is a value of its own.
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let at = At {
            some: self.at.some,
            ..INSIDE
        };
        let part = self.of(value, at);
        self.inner.serialize_newtype_struct(name, &part)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let mut at = INSIDE;
        if self.at.top && name == "Result" {
            match (index, variant) {
                (1, "Err") => return Err(self.notes.is_error()),
                (0, "Ok") => at.top = true,
                _ => {}
            }
        }
        let part = self.of(value, at);
        self.inner
            .serialize_newtype_variant(name, index, variant, &part)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Self::compound(
            self.inner.serialize_seq(len)?,
            self.notes,
            None,
        ))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Self::compound(
            self.inner.serialize_tuple(len)?,
            self.notes,
            None,
        ))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let inner = self.inner.serialize_tuple_struct(name, len)?;
        Ok(Self::compound(inner, self.notes, None))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inner = self
            .inner
            .serialize_tuple_variant(name, index, variant, len)?;
        Ok(Self::compound(inner, self.notes, None))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Self::compound(
            self.inner.serialize_map(len)?,
            self.notes,
            None,
        ))
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let place = self.begin(name, None, len);
        let inner = self.inner.serialize_struct(name, len)?;
        Ok(Self::compound(inner, self.notes, place))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let place = self.begin(name, Some(variant), len);
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, len)?;
        Ok(Self::compound(inner, self.notes, place))
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// A sequence, a map or a struct.
pub(super) struct Compound<'a, C> {
    inner: C,
    notes: &'a Notes,
    /// The struct, if its fields are recorded.
    place: Option<Place>,
}

impl<'a, C> Compound<'a, C> {
    #[inline]
    fn part<'v, T: ?Sized>(&self, value: &'v T) -> Part<'a, 'v, T> {
        Part {
            value,
            notes: self.notes,
            at: INSIDE,
        }
    }

    #[inline]
    fn field<'v, T: ?Sized>(&mut self, key: &'static str, value: &'v T) -> Part<'a, 'v, T> {
        self.note(key);
        let at = At {
            field_of: self.place,
            ..INSIDE
        };
        Part {
            value,
            notes: self.notes,
            at,
        }
    }

    #[inline]
    fn note(&mut self, key: &'static str) {
        if let (Some(place), Some(fields)) = (&mut self.place, &self.notes.fields) {
            fields.add(place, key);
        }
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident,)*) => {$(
        impl<C: ser::$trait> ser::$trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let part = self.part(value);
                self.inner.$method(&part)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

macro_rules! fields {
    ($($trait:ident,)*) => {$(
        impl<C: ser::$trait> ser::$trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let part = self.field(key, value);
                self.inner.serialize_field(key, &part)
            }

            #[inline]
            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.note(key);
                self.inner.skip_field(key)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

// A key is written as a text, in which serde_json has no `null` and no float that is not finite.
impl<C: ser::SerializeMap> ser::SerializeMap for Compound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let part = self.part(value);
        self.inner.serialize_value(&part)
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, T: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &T,
    ) -> Result<(), C::Error> {
        let part = self.part(value);
        self.inner.serialize_entry(key, &part)
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
