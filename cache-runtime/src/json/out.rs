//! The writer of JSON: a buffer, or a comparison with JSON that was written before. One type serves
//! both, because the code that writes a value is compiled once for each writer.

use std::io;

/// The destination of JSON.
#[derive(Debug)]
pub(super) enum Out<'a> {
    Collected(Vec<u8>),
    Compared(Comparison<'a>),
}

/// A comparison with JSON that was written before. While the two are equal, it keeps a position only.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    first: &'a [u8],
    at: usize,
    /// From the first difference on, the counts of each byte in the rest of the first JSON, less those in
    /// this one. A `HashMap` writes its entries in another order each time.
    counts: Option<Box<Counts>>,
}

impl<'a> Out<'a> {
    /// Returns a buffer for about this number of bytes.
    pub(super) fn collected(bytes: usize) -> Self {
        Self::Collected(Vec::with_capacity(bytes))
    }

    pub(super) fn compared(first: &'a [u8]) -> Self {
        Self::Compared(Comparison {
            first,
            at: 0,
            counts: None,
        })
    }

    pub(super) fn into_json(self) -> Vec<u8> {
        match self {
            Self::Collected(json) => json,
            Self::Compared(_) => Vec::new(),
        }
    }

    /// Returns whether the JSON equals the first one, up to the order of its bytes.
    pub(super) fn is_equal(&self) -> bool {
        match self {
            Self::Collected(_) => false,
            Self::Compared(of) => of.at == of.first.len() && of.has_equal_counts(),
        }
    }
}

impl Comparison<'_> {
    fn has_equal_counts(&self) -> bool {
        self.counts.as_deref().is_none_or(Counts::are_balanced)
    }

    /// Returns whether the two can still be equal.
    fn compare(&mut self, written: &[u8]) -> bool {
        let Some(rest) = self.first.get(self.at..) else {
            return false;
        };
        self.at += written.len();
        if written.len() > rest.len() {
            return false;
        }
        match &mut self.counts {
            None if rest.starts_with(written) => {}
            None => {
                let mut counts = Box::<Counts>::default();
                counts.add(rest);
                counts.take(written);
                self.counts = Some(counts);
            }
            Some(counts) => counts.take(written),
        }
        true
    }
}

impl io::Write for Out<'_> {
    #[inline]
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.write_all(written)?;
        Ok(written.len())
    }

    #[inline]
    fn write_all(&mut self, written: &[u8]) -> io::Result<()> {
        match self {
            Self::Collected(json) => json.extend_from_slice(written),
            Self::Compared(comparison) => {
                if !comparison.compare(written) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The counts of each byte in one text, less those in another.
#[derive(Debug)]
pub(super) struct Counts([i64; 256]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Counts {
    pub(super) fn add(&mut self, text: &[u8]) {
        for byte in text {
            self.0[usize::from(*byte)] += 1;
        }
    }

    pub(super) fn take(&mut self, text: &[u8]) {
        for byte in text {
            self.0[usize::from(*byte)] -= 1;
        }
    }

    pub(super) fn are_balanced(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn is_equal(first: &str, parts: &[&str]) -> bool {
        let mut out = Out::compared(first.as_bytes());
        let written = parts
            .iter()
            .all(|part| out.write_all(part.as_bytes()).is_ok());
        written && out.is_equal()
    }

    #[test]
    fn equal_bytes_are_equal_in_any_pieces() {
        assert!(is_equal("[1,22,333]", &["[1", ",22,3", "", "33]"]));
        assert!(is_equal("", &[]));
    }

    #[test]
    fn another_order_is_equal() {
        assert!(is_equal(
            r#"{"a":1,"b":2}"#,
            &["{", r#""b":2,"#, r#""a":1}"#]
        ));
    }

    #[test]
    fn another_byte_or_length_is_a_difference() {
        assert!(!is_equal("[1,2]", &["[1,3]"]));
        assert!(!is_equal("[1,2]", &["[1,2"]));
        assert!(!is_equal("[1,2]", &["[1,2]", " "]));
        assert!(!is_equal("[1,2]", &["[2,1", ",3]"]));
        assert!(!is_equal("[1,2]", &["x[1,2]yz", "more"]));
    }
}
