//! The encoding of keys is frozen: other programs compute keys too.

use cache_runtime::{Cache, CacheKey, Key, KeyWriter};
use serde_json::Value;

use crate::support::{Monitor, Server};

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

fn table() -> Vec<Value> {
    serde_json::from_str(include_str!("../key_vectors.json")).unwrap()
}

/// Whole keys are objects with a prefix.
fn is_key(row: &Value) -> bool {
    row["prefix"].is_string()
}

fn parts(row: &Value) -> Vec<Part<'_>> {
    row["parts"].as_array().unwrap().iter().map(Part).collect()
}

#[test]
fn each_part_is_written_as_the_table_says() {
    for part in table().iter().filter(|row| !is_key(row)) {
        let key = Key::new("f").part(&Part(part)).to_string();
        assert_eq!(
            key,
            format!("f:{}", part["written"].as_str().unwrap()),
            "{part}"
        );
    }
}

#[cache_runtime::read_through(ttl = 60)]
fn vectored(id: u64) -> u64 {
    id
}

/// The server tells what it was sent.
#[tokio::test]
async fn each_key_is_sent_as_the_table_says() {
    let mut rows = 0;
    for row in table().iter().filter(|row| is_key(row)) {
        let server = Server::start();
        let prefix = row["prefix"].as_str().unwrap();
        let cache = Cache::new(server.config().prefix(prefix)).unwrap();
        let monitor = Monitor::of(&server);
        if row["type"] == "function" {
            let id = row["parts"][0]["value"].as_u64().unwrap();
            let _inside = cache.enter();
            vectored::invalidate(id).unwrap();
        } else {
            let key = Key::new(row["name"].as_str().unwrap());
            let key = key.version(row["version"].as_u64().unwrap());
            let key = parts(row).iter().fold(key, |key, part| key.part(part));
            cache.invalidate(key).await.unwrap();
        }
        let sent = monitor.end(&server);
        for written in [&row["written"], &row["refresh"]] {
            let unlink = written.as_str().map(|key| format!("\"UNLINK\" \"{key}\""));
            let is_sent = |unlink: String| sent.iter().any(|sent| sent.command == unlink);
            assert!(unlink.is_none_or(is_sent), "{written} is not in {sent:?}");
        }
        rows += 1;
    }
    assert!(rows >= 7);
}
