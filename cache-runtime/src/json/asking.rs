//! Finds out from derived code whether a name is a field or an alias of another field.
//!
//! The struct is read once more, with the name appended to its JSON. Derived code refuses an alias as a
//! duplicate, and asks for the value of a field. Fields that writing skipped get a value before that, so
//! that their aliases are duplicates, too.

use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::fields::Fields;
use super::reading::Unwritten;

/// The names that are appended to a struct.
pub(super) struct Asking {
    /// Known fields that the JSON does not have, as far as it was read.
    skipped: Vec<&'static str>,
    asked: Option<&'static str>,
    pub(super) given: Given,
}

/// The source of the value of the last key.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Json,
    Anything,
    Asked,
}

impl Asking {
    pub(super) fn new(fields: &Fields, asked: Unwritten, known: &'static [&'static str]) -> Self {
        let is_written = |field: &&'static str| fields.has(asked.of, field);
        Self {
            skipped: known.iter().copied().filter(is_written).collect(),
            asked: Some(asked.field),
            given: Given::Json,
        }
    }

    /// Records that the JSON has this field.
    pub(super) fn is_there(&mut self, name: &str) {
        self.skipped.retain(|field| *field != name);
    }

    /// Returns the next name to append.
    pub(super) fn next_name(&mut self) -> Option<&'static str> {
        if let Some(skipped) = self.skipped.pop() {
            self.given = Given::Anything;
            return Some(skipped);
        }
        self.given = Given::Asked;
        self.asked.take()
    }
}

/// Returns a value for an appended name.
pub(super) fn anything<'de, S: DeserializeSeed<'de>, E: de::Error>(seed: S) -> Result<S::Value, E> {
    seed.deserialize(Anything(PhantomData))
}

/// A deserializer of the least value of each type. For a struct, an enum or a checked text there is none;
/// then the name is taken for an alias.
struct Anything<E>(PhantomData<fn() -> E>);

macro_rules! least {
    ($($method:ident => $visit:ident($value:expr),)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.$visit($value)
        }
    )*};
}

/// A list or a map without entries, for which no code of entries is compiled.
struct Empty<E>(PhantomData<fn() -> E>);

impl<'de, E: de::Error> SeqAccess<'de> for Empty<E> {
    type Error = E;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, E> {
        Ok(None)
    }
}

impl<'de, E: de::Error> MapAccess<'de> for Empty<E> {
    type Error = E;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, E> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, E> {
        Err(none())
    }
}

fn none<E: de::Error>() -> E {
    E::custom("there is no least value")
}

impl<'de, E: de::Error> Deserializer<'de> for Anything<E> {
    type Error = E;

    least! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_u64(0),
        deserialize_i16 => visit_u64(0),
        deserialize_i32 => visit_u64(0),
        deserialize_i64 => visit_u64(0),
        deserialize_i128 => visit_u64(0),
        deserialize_u8 => visit_u64(0),
        deserialize_u16 => visit_u64(0),
        deserialize_u32 => visit_u64(0),
        deserialize_u64 => visit_u64(0),
        deserialize_u128 => visit_u64(0),
        deserialize_f32 => visit_f64(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_char => visit_char('0'),
        deserialize_str => visit_borrowed_str(""),
        deserialize_string => visit_borrowed_str(""),
        deserialize_identifier => visit_borrowed_str(""),
        deserialize_bytes => visit_borrowed_bytes(b""),
        deserialize_byte_buf => visit_borrowed_bytes(b""),
        deserialize_seq => visit_seq(Empty(PhantomData)),
        deserialize_map => visit_map(Empty(PhantomData)),
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, E> {
        visitor.visit_seq(Empty(PhantomData))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_seq(Empty(PhantomData))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, E> {
        Err(none())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, E> {
        Err(none())
    }
}
