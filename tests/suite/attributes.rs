//! Random values of types with every attribute of serde that can lose something, each type with
//! `PartialEq`, with `Debug` alone and with neither: what is stored comes back equal.

#![allow(dead_code, reason = "a type needs no field but to be compared")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use cache_runtime::{Cache, FunctionStats, Seen, observe, read_through};
use fastrand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A random value, and all that is in it.
trait Value {
    fn random(rng: &mut Rng) -> Self;
    fn write(&self, text: &mut String);

    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }
}

macro_rules! plain {
    ($($type:ty: $rng:ident => $random:expr;)*) => {$(
        impl Value for $type {
            fn random($rng: &mut Rng) -> Self {
                $random
            }
            fn write(&self, text: &mut String) {
                write!(text, "{self:?},").unwrap();
            }
        }
    )*};
}

plain! {
    u8: rng => rng.u8(0..3);
    i64: rng => *rng.choice(&[i64::MIN, 0, i64::MAX]).unwrap();
    u128: rng => rng.u128(..);
    bool: rng => rng.bool();
    f32: rng => *rng.choice(&[0.1, -0.0, f32::MAX, f32::NAN, 1e-40]).unwrap();
    f64: rng => *rng.choice(&[0.1, 1.5, 2.0, f64::INFINITY, 1e300]).unwrap();
    char: rng => rng.char(..);
    String: rng => (0..rng.u8(0..3)).map(|_| rng.char(..)).collect();
    (): _rng => ();
}

impl<T: Value> Value for Option<T> {
    fn random(rng: &mut Rng) -> Self {
        rng.bool().then(|| T::random(rng))
    }
    fn write(&self, text: &mut String) {
        text.push(if self.is_some() { '+' } else { '-' });
        self.iter().for_each(|of| of.write(text));
    }
}

impl<T: Value> Value for Vec<T> {
    fn random(rng: &mut Rng) -> Self {
        (0..rng.u8(0..3)).map(|_| T::random(rng)).collect()
    }
    fn write(&self, text: &mut String) {
        write!(text, "{}:", self.len()).unwrap();
        self.iter().for_each(|of| of.write(text));
    }
}

impl<T: Value, E: Value> Value for Result<T, E> {
    fn random(rng: &mut Rng) -> Self {
        if rng.bool() {
            Ok(T::random(rng))
        } else {
            Err(E::random(rng))
        }
    }
    fn write(&self, text: &mut String) {
        match self {
            Ok(of) => of.write(text),
            Err(of) => {
                text.push('!');
                of.write(text);
            }
        }
    }
}

impl<T: Value> Value for Arc<T> {
    fn random(rng: &mut Rng) -> Self {
        Self::new(T::random(rng))
    }
    fn write(&self, text: &mut String) {
        T::write(self, text);
    }
}

impl<T: Value> Value for HashMap<String, T> {
    fn random(rng: &mut Rng) -> Self {
        (0..20).map(|n| (format!("k{n}"), T::random(rng))).collect()
    }
    fn write(&self, text: &mut String) {
        let sorted: BTreeMap<_, _> = self.iter().collect();
        for (key, of) in sorted {
            text.push_str(key);
            of.write(text);
        }
    }
}

impl Value for HashSet<u8> {
    fn random(rng: &mut Rng) -> Self {
        (0..20).map(|_| rng.u8(..)).collect()
    }
    fn write(&self, text: &mut String) {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_unstable();
        write!(text, "{sorted:?}").unwrap();
    }
}

/// The type by itself; which of the flavours it is, is in the module's derives.
macro_rules! item {
    ([$derive:meta] $(#[$meta:meta])* struct $name:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* }) => {
        #[$derive]
        $(#[$meta])*
        pub struct $name { $($(#[$attr])* pub $field: $type,)* }

        impl Value for $name {
            fn random(_rng: &mut Rng) -> Self {
                Self { $($field: Value::random(_rng),)* }
            }
            fn write(&self, _text: &mut String) {
                $(self.$field.write(_text);)*
            }
        }
    };
    ([$derive:meta] $(#[$meta:meta])* enum $name:ident {
        $($(#[$of_variant:meta])* $variant:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* })*
    }) => {
        #[$derive]
        $(#[$meta])*
        pub enum $name { $($(#[$of_variant])* $variant { $($(#[$attr])* $field: $type,)* },)* }

        impl Value for $name {
            fn random(rng: &mut Rng) -> Self {
                let variants: &[fn(&mut Rng) -> Self] =
                    &[$(|_rng| Self::$variant { $($field: Value::random(_rng),)* }),*];
                rng.choice(variants).unwrap()(rng)
            }
            fn write(&self, text: &mut String) {
                match self {
                    $(Self::$variant { $($field,)* } => {
                        text.push_str(stringify!($variant));
                        $($field.write(text);)*
                    })*
                }
            }
        }
    };
}

macro_rules! flavour {
    ($module:ident [$derive:meta] $({ $($item:tt)* })*) => {
        mod $module {
            use super::*;

            $(item! { [$derive] $($item)* })*

            /// Each type with how many of its values were hits, of how many.
            pub async fn hits(cache: &Cache) -> Vec<(&'static str, u32, u32)> {
                let mut all = Vec::new();
                $(all.push(hits_of! { $($item)* }(cache).await);)*
                all
            }
        }
    };
}

macro_rules! hits_of {
    ($(#[$meta:meta])* $kind:ident $name:ident $body:tt) => {{
        async fn hits(cache: &Cache) -> (&'static str, u32, u32) {
            const VALUES: u32 = 40;
            #[read_through(name = "value", key = "seed", ttl = 60)]
            async fn load(seed: u64) -> $name {
                Value::random(&mut Rng::with_seed(seed))
            }
            let mut hits = 0;
            for _ in 0..VALUES {
                let seed = fastrand::u64(..);
                let text = $name::random(&mut Rng::with_seed(seed)).text();
                let name = concat!(module_path!(), "::", stringify!($name));
                let loaded = cache.scope(load(seed)).await;
                assert_eq!(loaded.text(), text, "{name}, seed {seed}");
                let (again, seen) = cache.scope(observe(load(seed))).await;
                assert_eq!(again.text(), text, "{name}, seed {seed}, {seen:?}");
                hits += u32::from(seen == Seen::Stored);
                cache.scope(load::invalidate(seed)).await.unwrap();
            }
            (stringify!($name), hits, VALUES)
        }
        hits
    }};
}

fn seven() -> u8 {
    7
}

fn is_one(of: &u8) -> bool {
    *of == 1
}

mod rounding {
    use super::*;

    pub fn serialize<S: Serializer>(of: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*of as i64)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        i64::deserialize(deserializer).map(|of| of as f64)
    }
}

mod shifted {
    use super::*;

    pub fn serialize<S: Serializer>(of: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(of + 1)
    }
}

/// A form of another crate's type.
pub mod remote {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    pub struct Far {
        pub near: u8,
        pub far: u8,
    }

    impl Value for Far {
        fn random(rng: &mut Rng) -> Self {
            Self {
                near: Value::random(rng),
                far: Value::random(rng),
            }
        }
        fn write(&self, text: &mut String) {
            write!(text, "{self:?}").unwrap();
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Far")]
    pub struct Form {
        near: u8,
        #[serde(skip_serializing, default)]
        far: u8,
    }
}

/// Read and written through a type that cannot hold all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Short(u8);

impl Value for Short {
    fn random(rng: &mut Rng) -> Self {
        Self(Value::random(rng))
    }
    fn write(&self, text: &mut String) {
        self.0.write(text);
    }
}

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0.min(1))
    }
}

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(Self)
    }
}

/// Types of which each flavour is compared as a whole, and those of which only what has `PartialEq` or
/// `Debug` is: the guide lists why.
macro_rules! all_types {
    ($($flavours:ident [$derive:meta];)*) => {$(
        flavour! { $flavours [$derive]
            { struct Plain { a: u8, b: String, c: Option<u8>, d: Vec<i64>, e: char, f: u128, } }
            { struct Maps { a: HashMap<String, u8>, b: HashMap<String, Option<String>>, c: HashSet<u8>, } }
            { struct Floats { a: f32, b: Vec<f64>, } }
            { struct Nulls { a: Option<Option<u8>>, b: Vec<Option<()>>, } }
            { struct Results { a: Result<u8, String>, b: Vec<Result<(), u8>>, c: Arc<Option<u8>>, } }
            { struct SkipSerializing { a: u8, #[serde(skip_serializing, default)] b: u8, } }
            { struct SkipDeserializing { a: u8, #[serde(skip_deserializing)] b: u8, } }
            { struct SkipIf { #[serde(skip_serializing_if = "is_one", default = "seven")] a: u8, } }
            { struct SkipNone { #[serde(skip_serializing_if = "Option::is_none", default)] a: Option<Option<u8>>, } }
            { struct Rename { #[serde(rename(serialize = "x", deserialize = "y"), default)] a: u8, } }
            { struct Alias { #[serde(alias = "x", alias = "0")] a: u8, #[serde(alias = "y", default, skip_serializing_if = "Option::is_none")] b: Option<u8>, } }
            { struct AliasLost { #[serde(alias = "x")] a: u8, #[serde(alias = "y", default, skip_serializing)] b: u8, } }
            { #[serde(rename_all = "UPPERCASE", deny_unknown_fields)] struct RenameAll { a: u8, b_c: String, } }
            { #[serde(transparent)] struct Transparent { a: Vec<u8>, } }
            { struct SerializeWith { #[serde(serialize_with = "shifted::serialize")] a: u8, } }
            { #[serde(tag = "t")] struct Tagged { a: u8, #[serde(skip_serializing, default)] b: u8, } }
            { enum External { A { #[serde(skip_serializing, default)] a: u8, } B { a: u8, } C {} } }
            { #[serde(tag = "t")] enum Internal { A { a: u8, } B { b: Option<u8>, } C {} } }
            { #[serde(tag = "t", content = "c")] enum Adjacent { A { a: u8, } B { b: String, } C {} } }
            { #[serde(untagged)] enum Untagged { A { a: u8, } B { a: u8, b: u8, } C { c: Vec<u8>, } } }
            { enum Variants { #[serde(rename(serialize = "X"), alias = "X")] A { a: u8, } #[serde(alias = "Z")] B { a: u8, } } }
            { enum Swapped { #[serde(rename(serialize = "B"))] A { a: u8, } #[serde(rename(serialize = "A"))] B { a: u8, } } }
            { struct Remote { #[serde(with = "remote::Form")] a: remote::Far, } }
            { struct Flatten { a: u8, #[serde(flatten)] more: HashMap<String, u8>, } }
        }
    )*};
}

macro_rules! hidden_types {
    ($($flavours:ident [$derive:meta];)*) => {$(
        flavour! { $flavours [$derive]
            { struct Skip { a: u8, #[serde(skip)] b: u8, } }
            { struct With { #[serde(with = "rounding")] a: f64, } }
            { struct ByHand { a: Short, } }
            { struct FlattenSkip { #[serde(skip_serializing, default)] a: u8, #[serde(flatten)] more: HashMap<String, u8>, } }
            { #[serde(tag = "t")] enum InternalSkip { A { #[serde(skip_serializing, default)] a: u8, } B { b: u8, } } }
            { #[serde(tag = "t", content = "c")] enum AdjacentSkip { A { #[serde(skip_serializing, default)] a: u8, } B { b: u8, } } }
            { #[serde(untagged)] enum Same { A { a: u8, } B { a: u8, } } }
        }
    )*};
}

all_types! {
    all_equal [derive(Debug, PartialEq, Serialize, Deserialize)];
    all_shown [derive(Debug, Serialize, Deserialize)];
    all_bare [derive(Serialize, Deserialize)];
}

hidden_types! {
    hidden_equal [derive(PartialEq, Serialize, Deserialize)];
}

/// Nothing of these is lost.
const ALWAYS_STORED: &[&str] = &[
    "Plain",
    "Maps",
    "Results",
    "Alias",
    "RenameAll",
    "Transparent",
    "Internal",
    "Adjacent",
    "Variants",
    "Flatten",
];

/// Of these, some values are stored and others are lost.
const AT_TIMES_STORED: &[&str] = &[
    "SkipSerializing",
    "SkipDeserializing",
    "SkipIf",
    "Floats",
    "Nulls",
    "SkipNone",
    "Untagged",
    "External",
];

fn is_stored_as_promised(hits: &[(&str, u32, u32)], at_times: &[&str]) {
    for (name, hits, of) in hits {
        if ALWAYS_STORED.contains(name) {
            assert_eq!(hits, of, "{name}");
        }
        if at_times.contains(name) {
            assert!((1..*of).contains(hits), "{name}: {hits}");
        }
    }
}

#[tokio::test]
async fn a_random_value_comes_back_equal() {
    let cache = Cache::in_memory();
    is_stored_as_promised(&all_equal::hits(&cache).await, AT_TIMES_STORED);
    hidden_equal::hits(&cache).await;
}

#[tokio::test]
async fn a_random_value_with_debug_comes_back_equal() {
    let cache = Cache::in_memory();
    is_stored_as_promised(&all_shown::hits(&cache).await, &AT_TIMES_STORED[1..]);
}

#[tokio::test]
async fn a_random_value_with_neither_comes_back_equal() {
    let cache = Cache::in_memory();
    is_stored_as_promised(&all_bare::hits(&cache).await, &AT_TIMES_STORED[1..]);
}

#[tokio::test]
async fn what_is_not_stored_is_counted() {
    let cache = Cache::in_memory();
    let hits = all_bare::hits(&cache).await;
    let (stored, all) = hits
        .iter()
        .fold((0, 0), |sum, of| (sum.0 + of.1, sum.1 + of.2));
    let stats = cache.stats();
    let sum = |of: fn(&FunctionStats) -> u64| stats.functions().iter().map(of).sum::<u64>();
    // Whatever is not stored is loaded and counted by both of its calls.
    assert_eq!(sum(|of| of.stored), u64::from(stored));
    assert_eq!(sum(|of| of.unstorable), 2 * u64::from(all - stored));
}
