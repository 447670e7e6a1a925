use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::same::is_written_as;
use super::{decode, encode};
use crate::fuzz::changed;
use crate::lease::Token;

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
    balance: Option<f64>,
    inner: Option<Box<Self>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Unit,
    Tuple(u8, char),
    Named { of: BTreeMap<String, i64> },
}

const CORPUS: &[&str] = &[
    "null",
    "true",
    "-1.5e300",
    r#""a\u00fc\ud83d\ude00""#,
    r#"{"id":7,"name":"x","tags":["a","b"],"balance":null,"inner":{"id":8,"name":"","tags":[],"balance":0.5,"inner":null}}"#,
    r#"{"Named":{"of":{"a":1,"b":-9223372036854775808}}}"#,
    r#"{"Tuple":[255,"z"]}"#,
    r#""Unit""#,
    "[[[[[[[[]]]]]]]]",
    "null \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r \t\n\r",
];

/// If it is read, it is written as what is read as the same again.
fn is_read_or_refused<T: Serialize + for<'de> Deserialize<'de>>(bytes: &[u8]) -> bool {
    let Ok(value) = decode::<T>(bytes) else {
        return false;
    };
    let json = encode(&value).unwrap();
    let again = decode::<T>(&json).expect("what was written is read");
    assert_eq!(encode(&again).unwrap(), json);
    true
}

#[test]
fn fuzzed_numbers_come_back_to_the_last_bit() {
    proptest!(|(number in proptest::num::f64::ANY, small in proptest::num::f32::ANY)| {
        if number.is_finite() {
            let json = encode(&number).unwrap();
            prop_assert_eq!(decode::<f64>(&json).unwrap().to_bits(), number.to_bits());
        }
        if small.is_finite() {
            let json = encode(&small).unwrap();
            prop_assert_eq!(decode::<f32>(&json).unwrap().to_bits(), small.to_bits());
        }
    });
}

#[test]
fn a_walk_along_json_never_takes_another_text() {
    let same = AtomicU64::new(0);
    proptest!(|(bytes in changed(CORPUS), other in changed(CORPUS))| {
        let values = [&bytes, &other].map(|json| decode::<serde_json::Value>(json));
        if let [Ok(value), Ok(other)] = values {
            let [json, other_json] = [&value, &other].map(|value| encode(value).unwrap());
            prop_assert_eq!(is_written_as(&value, &other_json) && json != other_json, false);
            prop_assert!(is_written_as(&value, &json) || json.contains(&b'\\'));
            same.fetch_add(1, Relaxed);
        }
        if let Ok(user) = decode::<User>(&bytes) {
            prop_assert!(!is_written_as(&user, &bytes) || encode(&user).unwrap() == bytes);
        }
        if let Ok(shape) = decode::<Shape>(&bytes) {
            prop_assert!(!is_written_as(&shape, &bytes) || encode(&shape).unwrap() == bytes);
        }
    });
    assert!(same.into_inner() > 0);
}

#[test]
fn a_walk_along_json_takes_what_serde_writes() {
    fn walks<T: Serialize>(value: T) {
        let json = encode(&value).unwrap();
        assert!(
            is_written_as(&value, &json),
            "{}",
            String::from_utf8_lossy(&json)
        );
        let (_, shorter) = json.split_last().unwrap();
        assert!(!is_written_as(&value, shorter));
        assert!(!is_written_as(&value, &[&json[..], b" "].concat()));
    }
    walks((0.1_f32, -1.5e300, 1_u8, i128::MIN, u64::MAX, 'x', true, ()));
    walks([Shape::Unit, Shape::Tuple(1, 'z')]);
    walks(Shape::Named {
        of: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), -1)]),
    });
    walks(Some(vec![None, Some("größe")]));
    // Ending in what an escape begins with, or being one.
    for text in ["\\", "a\\", "\"", "\n", "\\\\"] {
        assert!(!is_written_as(text, &encode(text).unwrap()), "{text:?}");
    }
}

#[test]
fn fuzzed_bytes_under_a_key_are_read_or_refused() {
    let (cases, read, tokens) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    proptest!(|(bytes in changed(CORPUS))| {
        cases.fetch_add(1, Relaxed);
        if Token::read(&bytes).is_some() {
            tokens.fetch_add(1, Relaxed);
            // To any other reader of JSON it is nothing.
            prop_assert_eq!(decode::<Option<u8>>(&bytes).unwrap(), None);
        }
        let well = is_read_or_refused::<User>(&bytes)
            | is_read_or_refused::<Shape>(&bytes)
            | is_read_or_refused::<Vec<Option<String>>>(&bytes)
            | is_read_or_refused::<serde_json::Value>(&bytes);
        read.fetch_add(u64::from(well), Relaxed);
    });
    println!("stored bytes: {cases:?} cases, {read:?} read, {tokens:?} leases, none panicked");
}
