//! Certificates and keys, as PEM text or as the path of a file that holds it.

use serde::{Deserialize, Deserializer};

use crate::error::{Error, ErrorKind};

/// PEM text. It has no `Debug`: it may be a key.
#[derive(Clone)]
pub(crate) struct Pem(Vec<u8>);

impl Pem {
    pub(crate) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self(text.into())
    }

    #[cfg_attr(
        not(any(test, feature = "tls-rustls", feature = "tls-native")),
        expect(dead_code, reason = "only TLS reads it")
    )]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is a block of this kind in it. The text is not quoted: it may be a key.
    pub(super) fn check(&self, name: &str, kind: &str) -> Result<(), Error> {
        let end_of_begin = format!("{kind}-----");
        let mut lines = self.0.split(|byte| *byte == b'\n');
        let has_block = lines.any(|line| {
            let line = line.trim_ascii();
            line.starts_with(b"-----BEGIN ") && line.ends_with(end_of_begin.as_bytes())
        });
        if has_block {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            format!("`{name}` holds no PEM text with a line like `-----BEGIN {kind}-----`"),
        ))
    }
}

impl<'de> Deserialize<'de> for Pem {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.contains("-----BEGIN ") {
            return Ok(Self(text.into_bytes()));
        }
        std::fs::read(&text).map(Self).map_err(|cause| {
            let path = std::path::Path::new(&text).display();
            serde::de::Error::custom(format_args!(
                "the file `{path}` cannot be read ({cause}); write its path, or the PEM text itself"
            ))
        })
    }
}
