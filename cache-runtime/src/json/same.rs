//! Whether a value would be written as a given JSON text, found out without writing it.
//!
//! The value is walked along the text. That takes a fraction of writing it again, because a text
//! without escapes is compared as a whole. What cannot be compared so is a difference, and the caller
//! then writes the value after all: the entries of a `HashMap` in another order, escaped texts, keys
//! that are no texts.

use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::{self, Display};

/// Returns whether the value is written as this JSON. `false` leaves the question open.
pub(super) fn is_written_as<T: Serialize + ?Sized>(value: &T, json: &[u8]) -> bool {
    let mut rest = Rest(json);
    value.serialize(&mut rest).is_ok() && rest.0.is_empty()
}

/// The JSON that is not compared yet.
struct Rest<'a>(&'a [u8]);

/// The value may be written as something else.
#[derive(Debug)]
struct Different;

impl Display for Different {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is written as something else")
    }
}

impl std::error::Error for Different {}

impl serde::ser::Error for Different {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

type Done = Result<(), Different>;

impl Rest<'_> {
    #[inline]
    fn next(&mut self, text: &[u8]) -> Done {
        self.0 = self.0.strip_prefix(text).ok_or(Different)?;
        Ok(())
    }

    #[inline]
    fn mark(&mut self, mark: u8) -> Done {
        match self.0.split_first() {
            Some((first, rest)) if *first == mark => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(Different),
        }
    }

    /// A text without escapes. One with an escape differs at the first of them, or at its end.
    #[inline]
    fn text(&mut self, text: &str) -> Done {
        self.quoted(text, b"")
    }

    /// A text without escapes, and what follows it.
    #[inline]
    fn quoted(&mut self, text: &str, after: &[u8]) -> Done {
        let end = 1 + text.len();
        let (quoted, rest) = self.0.split_at_checked(end + 1).ok_or(Different)?;
        if quoted[0] != b'"' || quoted[end] != b'"' || quoted[1..end] != *text.as_bytes() {
            return Err(Different);
        }
        self.0 = rest.strip_prefix(after).ok_or(Different)?;
        Ok(())
    }

    #[inline]
    fn integer(&mut self, value: impl itoa::Integer) -> Done {
        self.next(itoa::Buffer::new().format(value).as_bytes())
    }

    /// Numbers with a point are written by serde_json.
    fn float(&mut self, value: impl Serialize) -> Done {
        let written = serde_json::to_vec(&value).map_err(|_| Different)?;
        self.next(&written)
    }

    fn begin(&mut self, open: u8, close: &'static [u8]) -> Result<Many<'_, Self>, Different> {
        self.mark(open)?;
        Ok(Many {
            rest: self,
            close,
            is_first: true,
        })
    }

    /// `{"Name":`
    fn variant(&mut self, name: &str) -> Done {
        self.mark(b'{')?;
        self.quoted(name, b":")
    }
}

/// What has several values, up to the bracket at its end.
struct Many<'r, R> {
    rest: &'r mut R,
    close: &'static [u8],
    is_first: bool,
}

impl<'a> Many<'_, Rest<'a>> {
    #[inline]
    fn separate(&mut self) -> Done {
        if !std::mem::replace(&mut self.is_first, false) {
            self.rest.mark(b',')?;
        }
        Ok(())
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.separate()?;
        value.serialize(&mut *self.rest)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        self.separate()?;
        self.rest.quoted(name, b":")?;
        value.serialize(&mut *self.rest)
    }

    #[inline]
    fn finish(self) -> Done {
        self.rest.next(self.close)
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty,)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Done {
            self.integer(value)
        }
    )*};
}

impl<'r, 'a> Serializer for &'r mut Rest<'a> {
    type Ok = ();
    type Error = Different;
    type SerializeSeq = Many<'r, Rest<'a>>;
    type SerializeTuple = Many<'r, Rest<'a>>;
    type SerializeTupleStruct = Many<'r, Rest<'a>>;
    type SerializeTupleVariant = Many<'r, Rest<'a>>;
    type SerializeMap = Many<'r, Rest<'a>>;
    type SerializeStruct = Many<'r, Rest<'a>>;
    type SerializeStructVariant = Many<'r, Rest<'a>>;

    integers! {
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
    }

    fn serialize_bool(self, value: bool) -> Done {
        self.next(if value { b"true" } else { b"false" })
    }

    fn serialize_f32(self, value: f32) -> Done {
        self.float(value)
    }

    fn serialize_f64(self, value: f64) -> Done {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Done {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Done {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        value.serialize(self)
    }

    fn serialize_none(self) -> Done {
        self.next(super::NULL)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.next(super::NULL)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Done {
        self.next(super::NULL)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.text(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.mark(b'}')
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, Different> {
        self.begin(b'[', b"]")
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, Different> {
        self.begin(b'[', b"]")
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, Different> {
        self.begin(b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, Different> {
        self.variant(variant)?;
        self.begin(b'[', b"]}")
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, Different> {
        self.begin(b'{', b"}")
    }

    #[inline]
    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, Different> {
        self.begin(b'{', b"}")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, Different> {
        self.variant(variant)?;
        self.begin(b'{', b"}}")
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident,)*) => {$(
        impl $trait for Many<'_, Rest<'_>> {
            type Ok = ();
            type Error = Different;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! fields {
    ($($trait:ident,)*) => {$(
        impl $trait for Many<'_, Rest<'_>> {
            type Ok = ();
            type Error = Different;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Done {
                self.field(name, value)
            }

            #[inline]
            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Many<'_, Rest<'_>> {
    type Ok = ();
    type Error = Different;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.separate()?;
        key.serialize(Key(&mut *self.rest))?;
        self.rest.mark(b':')
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut *self.rest)
    }

    fn end(self) -> Done {
        self.finish()
    }
}

/// A key of a map. Only texts are compared.
struct Key<'r, 'a>(&'r mut Rest<'a>);

macro_rules! no_text {
    ($($method:ident($($argument:ty),*) -> $result:ty,)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, Different> {
            Err(Different)
        }
    )*};
}

impl Serializer for Key<'_, '_> {
    type Ok = ();
    type Error = Different;
    type SerializeSeq = Impossible<(), Different>;
    type SerializeTuple = Impossible<(), Different>;
    type SerializeTupleStruct = Impossible<(), Different>;
    type SerializeTupleVariant = Impossible<(), Different>;
    type SerializeMap = Impossible<(), Different>;
    type SerializeStruct = Impossible<(), Different>;
    type SerializeStructVariant = Impossible<(), Different>;

    fn serialize_str(self, value: &str) -> Done {
        self.0.text(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.0.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Done {
        Err(Different)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _: &T,
    ) -> Done {
        Err(Different)
    }

    no_text! {
        serialize_bool(bool) -> (),
        serialize_i8(i8) -> (),
        serialize_i16(i16) -> (),
        serialize_i32(i32) -> (),
        serialize_i64(i64) -> (),
        serialize_u8(u8) -> (),
        serialize_u16(u16) -> (),
        serialize_u32(u32) -> (),
        serialize_u64(u64) -> (),
        serialize_f32(f32) -> (),
        serialize_f64(f64) -> (),
        serialize_char(char) -> (),
        serialize_bytes(&[u8]) -> (),
        serialize_none() -> (),
        serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_seq(Option<usize>) -> Self::SerializeSeq,
        serialize_tuple(usize) -> Self::SerializeTuple,
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant,
        serialize_map(Option<usize>) -> Self::SerializeMap,
        serialize_struct(&'static str, usize) -> Self::SerializeStruct,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant,
    }
}
