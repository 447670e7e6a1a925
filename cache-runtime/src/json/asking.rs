//! The question to derived code whether a name is a field of its own or an alias of another one.
//!
//! The struct is read once more, and after all that was written the name is given. For an alias the
//! code refuses it, because the field is there already; for a field it wants the value. So that it is
//! there already also where writing skipped it, something is given for each skipped field before.

use std::cell::RefCell;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::named::Named;
use super::reading::{Reading, Seed, Unwritten};

/// A struct, and what is asked after it.
pub(super) struct Asking<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
    /// Written fields that were skipped this time, as far as it is known by now.
    skipped: RefCell<Vec<&'static str>>,
    asked: Option<&'static str>,
    given: Given,
}

/// Where the value of the last key comes from.
#[derive(Clone, Copy)]
enum Given {
    Json,
    Anything,
    Asked,
}

impl<'a, A> Asking<'a, A> {
    pub(super) fn new(
        inner: A,
        reading: &'a Reading<'a>,
        asked: Unwritten,
        known: &'static [&'static str],
    ) -> Self {
        let is_written = |field: &&'static str| reading.fields.has(asked.of, field);
        Self {
            inner,
            reading,
            skipped: RefCell::new(known.iter().copied().filter(is_written).collect()),
            asked: Some(asked.field),
            given: Given::Json,
        }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Asking<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let mut seed = Some(seed);
        if matches!(self.given, Given::Json) {
            let skipped = &self.skipped;
            let tell = |name: &str| skipped.borrow_mut().retain(|field| *field != name);
            let lent = Lent(&mut seed);
            if let Some(key) = self.inner.next_key_seed(Named::new(lent, &tell))? {
                return Ok(Some(key));
            }
        }
        let next = match self.skipped.get_mut().pop() {
            Some(skipped) => Some((skipped, Given::Anything)),
            None => self.asked.take().map(|asked| (asked, Given::Asked)),
        };
        let (Some((name, given)), Some(seed)) = (next, seed) else {
            return Ok(None);
        };
        self.given = given;
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<S::Value, A::Error> {
        match self.given {
            Given::Json => {
                let reading = self.reading;
                self.inner.next_value_seed(Seed { inner, reading })
            }
            Given::Anything => inner.deserialize(Anything(std::marker::PhantomData)),
            Given::Asked => {
                self.reading.is_field.set(true);
                Err(de::Error::custom("it is a field"))
            }
        }
    }
}

/// A seed that is still there if there was nothing for it.
struct Lent<'a, S>(&'a mut Option<S>);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Lent<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        match self.0.take() {
            Some(seed) => seed.deserialize(inner),
            None => Err(de::Error::custom("it was read")),
        }
    }
}

/// Whatever is wanted, the least of it. What cannot be had so (an enum, a checked text) leaves the
/// question open, and the name is taken for an alias.
struct Anything<E>(std::marker::PhantomData<fn() -> E>);

macro_rules! least {
    ($($method:ident => $visit:ident($value:expr),)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.$visit($value)
        }
    )*};
}

fn nothing_in_seq<E: de::Error>() -> SeqDeserializer<std::iter::Empty<()>, E> {
    SeqDeserializer::new(std::iter::empty())
}

fn nothing_in_map<E: de::Error>() -> MapDeserializer<'static, std::iter::Empty<((), ())>, E> {
    MapDeserializer::new(std::iter::empty())
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
        deserialize_seq => visit_seq(nothing_in_seq()),
        deserialize_map => visit_map(nothing_in_map()),
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
        visitor.visit_seq(nothing_in_seq())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_seq(nothing_in_seq())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_map(nothing_in_map())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, E> {
        Err(E::custom("an enum has no least value"))
    }
}
