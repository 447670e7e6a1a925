use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proptest::prelude::*;

use super::{CacheKey, Key, KeyWriter, MAX_KEY_BYTES, Prefix};
use crate::fuzz::changed;

fn written(value: &(impl CacheKey + ?Sized)) -> String {
    let mut writer = KeyWriter::default();
    value.write(&mut writer);
    writer.finish().text
}

#[test]
fn what_structures_a_key_is_never_part_of_a_part() {
    let hostile = "a:b,c[d](e)!+%{f}|#;@/ \r\n\0ü";
    let text = written(hostile);
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)),
        "{text}"
    );
}

#[test]
fn the_neighbours_that_are_easily_confused_differ() {
    let texts = [
        written(&("a:b", "c")),
        written(&("a", "b:c")),
        written(&("a", "b", "c")),
        written(&(("a", "b"), "c")),
        written(&("a", ("b", "c"))),
        written(&["a", "b", "c"]),
        written(&""),
        written(&("",)),
        written(&("", "")),
        written(&None::<&str>),
        written(&Some("")),
        written(&Some(None::<&str>)),
        written("!"),
        written("+"),
        written("%"),
        written(&[(); 0]),
        written(&[()]),
        written(&[(), ()]),
        written(&[""]),
        written(&["", ""]),
        written(&()),
    ];
    for (index, text) in texts.iter().enumerate() {
        assert!(!text.is_empty());
        assert!(!texts[..index].contains(text), "{text} stands twice");
    }
}

#[test]
fn a_companion_argument_writes_what_the_argument_writes() {
    fn as_arg<T: ?Sized>(arg: &impl super::KeyArg<T>) -> String {
        let mut writer = KeyWriter::default();
        super::KeyArg::write(arg, &mut writer);
        writer.finish().text
    }
    assert_eq!(as_arg::<String>(&"b/b"), written(&"b/b".to_owned()));
    assert_eq!(as_arg::<String>(&&"b/b".to_owned()), written("b/b"));
    assert_eq!(as_arg::<u64>(&7), written(&7_u64));
    assert_eq!(as_arg::<Vec<u8>>(&[1, 2]), written(&vec![1_u8, 2]));
    assert_eq!(as_arg::<Vec<u8>>(&&[1, 2][..]), written(&vec![1_u8, 2]));
    assert_eq!(
        as_arg::<Option<String>>(&Some("x")),
        written(&Some("x".to_owned()))
    );
}

#[test]
fn raw_text_under_the_prefix_is_that_key() {
    let [shop, sho, none] = ["shop", "sho", ""].map(Prefix::new);
    let encoded = Key::new("users").part(&7);
    assert_eq!(Key::raw("shop:users:7").under(&shop), encoded);
    assert_eq!(
        Key::raw("shop:users:7").under(&sho),
        Key::raw("shop:users:7")
    );
    assert_eq!(
        Key::raw("shopusers:7").under(&shop).on_server(&shop),
        "shopusers:7"
    );
    assert_eq!(encoded.on_server(&shop), "shop:users:7");
    assert_eq!(encoded.on_server(&none), "users:7");
}

#[test]
fn names_escape_what_structures_keys() {
    for (name, written) in [
        ("users", "users"),
        ("shop:users", "shop%3Ausers"),
        ("users@3", "users%403"),
        ("a{b}\n", "a%7Bb%7D%0A"),
        ("50%", "50%25"),
        ("größe v2", "größe v2"),
        ("", "%"),
    ] {
        assert_eq!(Key::new(name).part(&1).to_string(), format!("{written}:1"));
    }
}

#[test]
fn parts_that_write_nothing_are_empty_texts() {
    struct Nothing;
    impl CacheKey for Nothing {
        fn write(&self, _key: &mut KeyWriter) {}
    }
    let key = Key::new("b").part(&Nothing).part(&Nothing).part(&1);
    assert_eq!(key.to_string(), "b:%:%:1");
}

#[test]
fn versions_follow_names() {
    let key = Key::new("profile").part(&7).version(3);
    assert_eq!(key.to_string(), "profile@3:7");
    assert_eq!(Key::new("profile").version(0).to_string(), "profile");
    let twice = Key::new("a@b").version(3).version(4).part(&1);
    assert_eq!(twice.to_string(), "a%40b@4:1");
}

#[test]
fn prefixes_with_colons_end_with_two() {
    let key = Key::new("users").part(&7);
    assert_eq!(key.on_server(&Prefix::new("shop")), "shop:users:7");
    assert_eq!(key.on_server(&Prefix::new("eu:shop")), "eu:shop::users:7");
    assert_eq!(key.on_server(&Prefix::new("shop:")), "shop:::users:7");
}

#[test]
fn refresh_keys_by_hand_never_meet() {
    let prefix = Prefix::new("shop");
    let refresh = |key: &str| Key::raw(key).refresh_on_server(&prefix);
    assert_eq!(refresh("a{b}c"), "shop:refresh:{b}:a{b}c");
    // Each of these was once a pair with one refresh key.
    assert_ne!(refresh("}{x}"), refresh("x}:}{x"));
    assert_ne!(refresh("a{b"), refresh("a%7Bb"));
}

/// What a key is made of, each piece of few characters, so that neighbours are often almost alike.
fn pieces() -> impl Strategy<Value = (String, String, u64, Vec<String>)> {
    let text = "[a:@.%]{1,4}";
    let parts = proptest::collection::vec("[a:@.%]{0,3}", 0..3);
    (text, text, 0..3_u64, parts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn different_pieces_never_make_one_key(one in pieces(), other in pieces()) {
        let keys = |(prefix, name, version, parts): &(String, String, u64, Vec<String>)| {
            let key = parts.iter().fold(Key::new(name), |key, part| key.part(part));
            let (key, prefix) = (key.version(*version), Prefix::new(prefix));
            [key.on_server(&prefix), key.refresh_on_server(&prefix)]
        };
        let ([key, refresh], [other_key, other_refresh]) = (keys(&one), keys(&other));
        prop_assert_eq!(one == other, key == other_key, "{}", key);
        prop_assert_eq!(one == other, refresh == other_refresh, "{}", refresh);
        prop_assert_ne!(key, other_refresh);
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Any {
    Int(i128),
    Bool(bool),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    Maybe(Option<Box<Self>>),
    List(Vec<Self>),
    Pair(Box<(Self, Self)>),
    Triple(Box<(Self, Self, Self)>),
}

impl CacheKey for Any {
    fn write(&self, key: &mut KeyWriter) {
        match self {
            Self::Int(value) => value.write(key),
            Self::Bool(value) => value.write(key),
            Self::Char(value) => value.write(key),
            Self::Text(value) => value.write(key),
            Self::Bytes(value) => value.write(key),
            Self::Maybe(value) => value.write(key),
            Self::List(value) => value.write(key),
            Self::Pair(value) => value.write(key),
            Self::Triple(value) => value.write(key),
        }
    }
}

fn any_of_one_type() -> impl Strategy<Value = (Vec<Any>, Vec<Any>)> {
    // A type first, then pairs of values of that type: as two calls of one function have.
    let kind = (0..5_u8)
        .prop_map(Kind::Leaf)
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|kind| Kind::Maybe(Box::new(kind))),
                inner.clone().prop_map(|kind| Kind::List(Box::new(kind))),
                (inner.clone(), inner.clone()).prop_map(|kinds| Kind::Pair(Box::new(kinds))),
                (inner.clone(), inner.clone(), inner)
                    .prop_map(|kinds| Kind::Triple(Box::new(kinds))),
            ]
        });
    proptest::collection::vec(kind, 1..4).prop_flat_map(|kinds| {
        let values: Vec<_> = kinds.iter().map(Kind::values).collect();
        (values.clone(), values)
    })
}

#[derive(Clone, Debug)]
enum Kind {
    Leaf(u8),
    Maybe(Box<Self>),
    List(Box<Self>),
    Pair(Box<(Self, Self)>),
    Triple(Box<(Self, Self, Self)>),
}

impl Kind {
    fn values(&self) -> BoxedStrategy<Any> {
        match self {
            Self::Leaf(0) => any::<i128>().prop_map(Any::Int).boxed(),
            Self::Leaf(1) => any::<bool>().prop_map(Any::Bool).boxed(),
            Self::Leaf(2) => any::<char>().prop_map(Any::Char).boxed(),
            Self::Leaf(3) => any::<Vec<u8>>().prop_map(Any::Bytes).boxed(),
            // Few letters, so that neighbours are often almost alike.
            Self::Leaf(_) => "[a:,%()!+\\[\\]ü]{0,4}".prop_map(Any::Text).boxed(),
            Self::Maybe(of) => proptest::option::of(of.values())
                .prop_map(|value| Any::Maybe(value.map(Box::new)))
                .boxed(),
            Self::List(of) => proptest::collection::vec(of.values(), 0..4)
                .prop_map(Any::List)
                .boxed(),
            Self::Pair(of) => (of.0.values(), of.1.values())
                .prop_map(|pair| Any::Pair(Box::new(pair)))
                .boxed(),
            Self::Triple(of) => (of.0.values(), of.1.values(), of.2.values())
                .prop_map(|triple| Any::Triple(Box::new(triple)))
                .boxed(),
        }
    }
}

proptest! {
    #[test]
    fn different_arguments_never_share_a_key((one, other) in any_of_one_type()) {
        let key = |parts: &[Any]| {
            parts.iter().fold(Key::new("f"), |key, part| key.part(part))
        };
        prop_assert_eq!(one == other, key(&one) == key(&other));
    }
}

#[test]
fn long_arguments_are_not_written_to_their_end() {
    struct Endless;
    impl std::fmt::Display for Endless {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            loop {
                f.write_str("and so on ")?;
            }
        }
    }
    impl CacheKey for Endless {
        fn write(&self, key: &mut KeyWriter) {
            key.display(self);
        }
    }
    let long = "ü".repeat(32 << 20);
    let many = vec![7_u64; 4 << 20];
    for text in [
        written(&long),
        written(&"x".repeat(64 << 20)),
        written(&many),
        written(&vec![long.as_str(); 100]),
        written(&(1, Endless, long.as_str())),
    ] {
        let bytes = text.capacity();
        assert!(
            (MAX_KEY_BYTES + 1..8 * MAX_KEY_BYTES).contains(&bytes),
            "{bytes}"
        );
    }
    let fits = "x".repeat(MAX_KEY_BYTES);
    assert_eq!(written(&fits), fits);
}

/// The text of a part again, by the rule of any percent-decoder.
fn unescaped(part: &str) -> Vec<u8> {
    let mut bytes = part.bytes();
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap() as u8;
        text.push(match byte {
            b'%' => digit() << 4 | digit(),
            byte => byte,
        });
    }
    text
}

#[test]
fn fuzzed_parts_come_back_from_their_keys() {
    const CORPUS: &[&str] = &[
        "",
        "a:b,c",
        "%",
        "%25",
        "{tag}",
        "ü\u{10ffff}\0\r\n",
        "refresh:{x}",
        "!+[]()",
    ];
    let cases = AtomicU64::new(0);
    proptest!(|(bytes in changed(CORPUS), name in changed(CORPUS), prefix in changed(CORPUS))| {
        cases.fetch_add(1, Relaxed);
        let [text, name, prefix] = [bytes, name, prefix]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let part = written(&text);
        if text.is_empty() {
            prop_assert_eq!(&part, "%");
        } else {
            prop_assert_eq!(unescaped(&part), text.as_bytes());
        }
        let has_braces = prefix.contains(['{', '}']);
        let prefix = Prefix::new(&prefix);
        let key = Key::new(&name).part(&text);
        let whole = key.on_server(&prefix);
        prop_assert_eq!(whole.len(), key.len_on_server(&prefix));
        let steers = ['{', '}', '\r', '\n', '\0'];
        prop_assert!(!key.to_string().contains(steers));
        let refresh = key.refresh_on_server(&prefix);
        prop_assert_ne!(&whole, &refresh);
        if !has_braces {
            // Both are in one slot of a cluster.
            prop_assert_eq!(super::hash_tag(&refresh), Some(whole.as_str()));
        }
        let by_hand = Key::raw(&text).under(&prefix);
        prop_assert_ne!(by_hand.on_server(&prefix), by_hand.refresh_on_server(&prefix));
    });
    println!("keys: {cases:?} cases, none panicked");
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_written_as_it_is_read() {
    let id = uuid::Uuid::from_u128(0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8);
    assert_eq!(written(&id), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
}

#[cfg(feature = "chrono")]
#[test]
fn a_date_of_chrono_is_written_as_iso_8601_has_it() {
    let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
    assert_eq!(written(&date), "2026-03-04");
}

#[cfg(feature = "time")]
#[test]
fn a_date_of_time_is_written_as_iso_8601_has_it() {
    let date = time::Date::from_calendar_date(2026, time::Month::March, 4).unwrap();
    assert_eq!(written(&date), "2026-03-04");
}
