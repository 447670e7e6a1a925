//! The encoding of key parts is frozen: other programs compute keys too.

use cache_runtime::{CacheKey, Key, KeyWriter};
use serde_json::Value;

/// A part as the table describes it.
struct Part<'a>(&'a Value);

impl CacheKey for Part<'_> {
    fn write(&self, key: &mut KeyWriter) {
        let value = &self.0["value"];
        let parts = || {
            value
                .as_array()
                .into_iter()
                .flatten()
                .map(Part)
                .collect::<Vec<_>>()
        };
        match self.0["type"].as_str().unwrap() {
            "text" => value.as_str().unwrap().write(key),
            "integer" => match value.as_i64() {
                Some(value) => value.write(key),
                None => value.as_u64().unwrap().write(key),
            },
            "bool" => value.as_bool().unwrap().write(key),
            "option" => (!value.is_null()).then_some(Part(value)).write(key),
            "list" => parts().write(key),
            "tuple" => tuple(key, "", &parts()),
            "variant" => tuple(key, self.0["name"].as_str().unwrap(), &parts()),
            other => panic!("unknown type {other}"),
        }
    }
}

fn tuple(key: &mut KeyWriter, name: &str, parts: &[Part<'_>]) {
    let parts: Vec<_> = parts.iter().map(|part| part as &dyn CacheKey).collect();
    key.tuple(name, &parts);
}

#[test]
fn each_part_is_written_as_the_table_says() {
    let table: Vec<Value> = serde_json::from_str(include_str!("../key_vectors.json")).unwrap();
    for part in &table {
        let key = Key::new("f").part(&Part(part)).to_string();
        assert_eq!(
            key,
            format!("f:{}", part["written"].as_str().unwrap()),
            "{part}"
        );
    }
}
