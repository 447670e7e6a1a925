//! A configuration from a file or from the environment, in any format of serde that names its
//! fields.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::Config;

const FIELDS: &[&str] = &[
    "url",
    "prefix",
    "connect_timeout",
    "response_timeout",
    "pool_size",
    "max_value_bytes",
    "memory_bytes",
    "max_refreshes",
    "retry",
    "root_certificates",
    "client_certificate",
    "client_key",
    "near_bytes",
    "near_max_age",
];

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_struct("Config", FIELDS, Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of a cache's configuration, `url` and others by their names")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Config, M::Error> {
        let mut config = Config::new("");
        let mut seen = Vec::new();
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "url" => config.url = map.next_value()?,
                "prefix" => config.prefix = map.next_value()?,
                "connect_timeout" => config.connect_timeout = map.next_value::<Time>()?.0,
                "response_timeout" => config.response_timeout = map.next_value::<Time>()?.0,
                "pool_size" => config.pool_size = map.next_value()?,
                "max_value_bytes" => config.max_value_bytes = map.next_value()?,
                "memory_bytes" => config.memory_bytes = map.next_value()?,
                "max_refreshes" => config.max_refreshes = map.next_value()?,
                "retry" => config.retry = map.next_value::<Time>()?.0,
                "root_certificates" => config.root_certificates = Some(map.next_value()?),
                "client_certificate" => config.client_certificate = Some(map.next_value()?),
                "client_key" => config.client_key = Some(map.next_value()?),
                "near_bytes" => config.near_bytes = map.next_value()?,
                "near_max_age" => config.near_max_age = map.next_value::<Time>()?.0,
                unknown => return Err(Error::custom(no_field(unknown))),
            }
            if seen.contains(&field) {
                return Err(Error::custom(format_args!("`{field}` is given twice")));
            }
            seen.push(field);
        }
        if seen.iter().all(|field| field != "url") {
            return Err(Error::custom(
                "`url` is missing; it is text like \"redis://127.0.0.1\" or \"memory://\"",
            ));
        }
        Ok(config)
    }
}

fn no_field(unknown: &str) -> String {
    let all = FIELDS.join("`, `");
    match nearest(unknown) {
        Some(field) => {
            format!("unknown field `{unknown}`; did you mean `{field}`? There are `{all}`")
        }
        None => format!("unknown field `{unknown}`; there are `{all}`"),
    }
}

/// The field that was meant, up to one slip in three letters.
fn nearest(unknown: &str) -> Option<&'static str> {
    let distance = |field: &&str| strsim::damerau_levenshtein(unknown, field);
    let field = FIELDS.iter().copied().min_by_key(distance)?;
    let slips = unknown.chars().count().max(field.len()) / 3;
    (distance(&field) <= slips).then_some(field)
}

/// A duration, as text with its unit or as a number of whole seconds.
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextOrSeconds)
    }
}

struct TextOrSeconds;

impl Visitor<'_> for TextOrSeconds {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like \"100ms\", \"5s\" or \"1h30m\", or a number of whole seconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        let time = humantime::parse_duration(text).map(Time);
        time.map_err(|_| match text.parse::<u64>() {
            // As a variable of the environment is, which has no numbers.
            Ok(_) => E::custom(format_args!("`{text}` has no unit; write `{text}s`")),
            Err(_) => E::invalid_value(Unexpected::Str(text), &self),
        })
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Time, E> {
        Ok(Time(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Time, E> {
        let whole = u64::try_from(seconds);
        let whole = whole.map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))?;
        self.visit_u64(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Config, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let config = read(r#"{"url":"redis://h"}"#).unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", Config::new("redis://h"))
        );
    }

    #[test]
    fn each_field_reaches_the_knob_of_its_name() {
        let json = r#"{"url":"redis://h","prefix":"shop","connect_timeout":"1s 500ms",
            "response_timeout":"50ms","pool_size":3,"max_value_bytes":5,"memory_bytes":7,
            "max_refreshes":9,"retry":30,"root_certificates":"-----BEGIN A",
            "client_certificate":"-----BEGIN B","client_key":"-----BEGIN C",
            "near_bytes":11,"near_max_age":"2s"}"#;
        for field in FIELDS {
            assert!(json.contains(&format!("\"{field}\"")), "no {field}");
        }
        let set = Config::new("redis://h")
            .prefix("shop")
            .connect_timeout(Duration::from_millis(1500))
            .response_timeout(Duration::from_millis(50))
            .pool_size(3)
            .max_value_bytes(5)
            .memory_bytes(7)
            .max_refreshes(9)
            .retry(Duration::from_secs(30))
            .root_certificates("-----BEGIN A")
            .client_certificate("-----BEGIN B", "-----BEGIN C")
            .near_bytes(11)
            .near_max_age(Duration::from_secs(2));
        let read = read(json).unwrap();
        assert_eq!(format!("{read:?}"), format!("{set:?}"));
        let texts = [
            read.root_certificates,
            read.client_certificate,
            read.client_key,
        ];
        let texts = texts.map(|pem| pem.unwrap().bytes().to_vec());
        assert_eq!(texts, [b"-----BEGIN A", b"-----BEGIN B", b"-----BEGIN C"]);
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_with_the_nearest_one() {
        for (slip, meant) in [
            ("conect_timeout", Some("connect_timeout")),
            ("prefxi", Some("prefix")),
            ("maxValueBytes", Some("max_value_bytes")),
            ("uri", Some("url")),
            ("ttl", None),
            ("compression", None),
        ] {
            let error = read(&format!(r#"{{"url":"redis://h","{slip}":1}}"#)).unwrap_err();
            match meant {
                Some(meant) => assert!(
                    error.contains(&format!("did you mean `{meant}`?")),
                    "{error}"
                ),
                None => assert!(error.contains("; there are `url`, `prefix`"), "{error}"),
            }
        }
    }

    #[test]
    fn a_duration_that_is_none_is_refused_with_what_one_looks_like() {
        for wrong in [r#""soon""#, r#""""#, "-1", "1.5", "true", "null"] {
            let json = format!(r#"{{"url":"redis://h","retry":{wrong}}}"#);
            let error = read(&json).unwrap_err();
            assert!(error.contains(r#"a duration like "100ms""#), "{error}");
        }
    }

    #[test]
    fn a_number_as_text_is_refused_for_its_unit() {
        let error = read(r#"{"url":"redis://h","retry":"30"}"#).unwrap_err();
        assert!(error.contains("`30` has no unit; write `30s`"), "{error}");
    }

    #[test]
    fn a_url_is_needed_and_nothing_is_given_twice() {
        assert!(read("{}").unwrap_err().contains("`url` is missing"));
        let error = read(r#"{"url":"redis://h","retry":1,"retry":2}"#).unwrap_err();
        assert!(error.contains("`retry` is given twice"), "{error}");
        assert!(read("7").unwrap_err().contains("the fields of a cache's"));
    }
}
