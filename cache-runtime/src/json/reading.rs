//! A deserializer that records which fields reading knows. A field that was not written is lost, and its
//! default replaces it.
//!
//! Derived code names all fields and their aliases. [`asking`](super::asking) finds out whether a name
//! that was not written is a field or an alias.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::asking::{Asking, Given, anything};
use super::fields::Fields;

/// A field that reading knows and writing does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unwritten {
    pub(super) of: usize,
    pub(super) field: &'static str,
}

/// Findings about a value that is being read.
struct Reading<'a> {
    fields: &'a Fields,
    unwritten: RefCell<Vec<Unwritten>>,
    /// The name that is being appended to a struct.
    asked: Option<Unwritten>,
    /// Whether that name is a field.
    is_field: Cell<bool>,
}

impl<'a> Reading<'a> {
    fn new(fields: &'a Fields, asked: Option<Unwritten>) -> Self {
        Self {
            fields,
            unwritten: RefCell::default(),
            asked,
            is_field: Cell::new(false),
        }
    }

    /// Records that reading knows these fields. Returns the one that is being appended, if it is here.
    fn knows(&self, of: usize, known: &'static [&'static str]) -> Option<Unwritten> {
        if let Some(asked) = self.asked {
            return Some(asked).filter(|asked| asked.of == of && known.contains(&asked.field));
        }
        for field in self.fields.unwritten(of, known) {
            let unwritten = Unwritten { of, field };
            let mut all = self.unwritten.borrow_mut();
            if !all.contains(&unwritten) {
                all.push(unwritten);
            }
        }
        None
    }
}

/// Returns the value, and the first field that is lost.
pub(super) fn read<T: DeserializeOwned>(
    json: &[u8],
    fields: &Fields,
) -> Result<(T, Option<Unwritten>), serde_json::Error> {
    let reading = Reading::new(fields, None);
    let value = read_with(json, &reading)?;
    let is_lost = |unwritten: &Unwritten| {
        let asking = Reading::new(fields, Some(*unwritten));
        // What it comes to is of no interest: the question ends it.
        let _ = read_with::<T>(json, &asking);
        asking.is_field.get()
    };
    let lost = reading.unwritten.into_inner().into_iter().find(is_lost);
    Ok((value, lost))
}

fn read_with<T: DeserializeOwned>(
    json: &[u8],
    reading: &Reading<'_>,
) -> Result<T, serde_json::Error> {
    let mut inner = serde_json::Deserializer::from_slice(json);
    let value = T::deserialize(Reader {
        inner: &mut inner,
        reading,
    })?;
    inner.end()?;
    Ok(value)
}

/// A deserializer that records fields.
struct Reader<'a, D> {
    inner: D,
    reading: &'a Reading<'a>,
}

fn visiting<'a, V>(reading: &'a Reading<'a>, inner: V, what: What) -> Visiting<'a, V> {
    Visiting {
        inner,
        reading,
        what,
    }
}

macro_rules! read {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = visiting(self.reading, visitor, What::Other);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Reader<'_, D> {
    type Error = D::Error;

    read! {
        deserialize_any()
        deserialize_bool()
        deserialize_i8()
        deserialize_i16()
        deserialize_i32()
        deserialize_i64()
        deserialize_i128()
        deserialize_u8()
        deserialize_u16()
        deserialize_u32()
        deserialize_u64()
        deserialize_u128()
        deserialize_f32()
        deserialize_f64()
        deserialize_char()
        deserialize_str()
        deserialize_string()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_option()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_identifier()
        deserialize_ignored_any()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let of = self.reading.fields.find(name, None);
        let asked = of.and_then(|of| self.reading.knows(of, known));
        let visitor = visiting(
            self.reading,
            visitor,
            asked.map_or(What::Other, |asked| What::Asked(asked, known)),
        );
        self.inner.deserialize_struct(name, known, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = visiting(self.reading, visitor, What::Enum(name));
        self.inner.deserialize_enum(name, variants, visitor)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The value that a visitor visits.
#[derive(Clone, Copy)]
enum What {
    Enum(&'static str),
    /// The struct to which a name is appended.
    Asked(Unwritten, &'static [&'static str]),
    Other,
}

struct Visiting<'a, V> {
    inner: V,
    reading: &'a Reading<'a>,
    what: What,
}

macro_rules! visit {
    ($($method:ident: $type:ty,)*) => {$(
        #[inline]
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Visiting<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool,
        visit_i8: i8,
        visit_i16: i16,
        visit_i32: i32,
        visit_i64: i64,
        visit_i128: i128,
        visit_u8: u8,
        visit_u16: u16,
        visit_u32: u32,
        visit_u64: u64,
        visit_u128: u128,
        visit_f32: f32,
        visit_f64: f64,
        visit_char: char,
        visit_str: &str,
        visit_borrowed_str: &'de str,
        visit_string: String,
        visit_bytes: &[u8],
        visit_borrowed_bytes: &'de [u8],
        visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let reading = self.reading;
        self.inner.visit_some(Reader { inner, reading })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let reading = self.reading;
        self.inner.visit_newtype_struct(Reader { inner, reading })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let reading = self.reading;
        self.inner.visit_seq(Access { inner, reading })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let reading = self.reading;
        let asking = match self.what {
            What::Asked(asked, known) => Some(Asking::new(reading.fields, asked, known)),
            What::Enum(_) | What::Other => None,
        };
        self.inner.visit_map(Map {
            inner,
            reading,
            asking,
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let (reading, what) = (self.reading, self.what);
        self.inner.visit_enum(Enum {
            inner,
            reading,
            what,
        })
    }
}

/// A value inside of another.
struct Seed<'a, S> {
    inner: S,
    reading: &'a Reading<'a>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let reading = self.reading;
        self.inner.deserialize(Reader { inner, reading })
    }
}

struct Access<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Access<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        inner: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let reading = self.reading;
        self.inner.next_element_seed(Seed { inner, reading })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A seed of its own type. The code that reads the keys of a hit is then used by hits alone, and the
/// compiler inlines it.
struct KeySeed<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for KeySeed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(key)
    }
}

struct Map<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
    asking: Option<Asking>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Map<'_, A> {
    type Error = A::Error;

    // There are no fields in a key.
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Some(asking) = &mut self.asking else {
            return self.inner.next_key_seed(KeySeed(seed));
        };
        let name = match asking.given {
            Given::Json => self.inner.next_key::<String>()?,
            Given::Anything | Given::Asked => None,
        };
        match name {
            Some(name) => {
                asking.is_there(&name);
                seed.deserialize(StrDeserializer::new(&name)).map(Some)
            }
            None => match asking.next_name() {
                Some(name) => seed.deserialize(StrDeserializer::new(name)).map(Some),
                None => Ok(None),
            },
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<S::Value, A::Error> {
        match self
            .asking
            .as_ref()
            .map_or(Given::Json, |asking| asking.given)
        {
            Given::Json => {
                let reading = self.reading;
                self.inner.next_value_seed(Seed { inner, reading })
            }
            Given::Anything => anything(inner),
            Given::Asked => {
                self.reading.is_field.set(true);
                Err(de::Error::custom("it is a field"))
            }
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Enum<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
    what: What,
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Enum<'a, A> {
    type Error = A::Error;
    type Variant = Variant<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        // In JSON it is a text.
        let (name, inner) = self.inner.variant::<String>()?;
        let of = match self.what {
            What::Enum(of) => self.reading.fields.find(of, Some(&name)),
            What::Asked(..) | What::Other => None,
        };
        let variant = Variant {
            inner,
            reading: self.reading,
            of,
        };
        let value = seed.deserialize(StrDeserializer::new(&name))?;
        Ok((value, variant))
    }
}

struct Variant<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
    /// The struct that was written under its name.
    of: Option<usize>,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Variant<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, inner: S) -> Result<S::Value, A::Error> {
        let reading = self.reading;
        self.inner.newtype_variant_seed(Seed { inner, reading })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = visiting(self.reading, visitor, What::Other);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let asked = self.of.and_then(|of| self.reading.knows(of, known));
        let what = asked.map_or(What::Other, |asked| What::Asked(asked, known));
        let visitor = visiting(self.reading, visitor, what);
        self.inner.struct_variant(known, visitor)
    }
}

impl Unwritten {
    pub(super) fn to_text(self, fields: &Fields) -> String {
        format!("`{}` of `{}`", self.field, fields.name(self.of))
    }
}
