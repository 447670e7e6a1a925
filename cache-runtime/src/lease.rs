//! The fleet-wide lock on a load: a token in the key's own place.
//!
//! A token is the JSON text `null` followed by 64 blanks that carry 128 random bits, two in each:
//! space, tab, line feed, carriage return, the four that JSON calls white space. Whoever reads it
//! as JSON sees `null`, so another program takes a value that is being loaded for none; a stored
//! `None` is exactly `null`, so this crate can tell the two apart.

use std::fmt;

const VALUE: &[u8] = b"null";
const BLANKS: [u8; 4] = *b" \t\n\r";
const BITS: usize = 128;
const LENGTH: usize = VALUE.len() + BITS / 2;

/// One holder's claim on a key. Each command that carries one to the server carries a fresh one:
/// then a copy that arrives late can never be mistaken for a claim that is still held.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; LENGTH]);

impl Token {
    pub(crate) fn fresh() -> Self {
        let mut bits = [0; size_of::<u128>()];
        // From the system: what a program seeds for its own ends must not repeat in another.
        if getrandom::fill(&mut bits).is_err() {
            bits = fastrand::u128(..).to_ne_bytes();
        }
        Self::from_bits(u128::from_ne_bytes(bits))
    }

    fn from_bits(bits: u128) -> Self {
        let mut text = [0; LENGTH];
        text[..VALUE.len()].copy_from_slice(VALUE);
        for (index, blank) in text[VALUE.len()..].iter_mut().enumerate() {
            *blank = BLANKS[(bits >> (2 * index) & 3) as usize];
        }
        Self(text)
    }

    /// The token that stands under a key, if that is what stands there.
    pub(crate) fn read(stored: &[u8]) -> Option<Self> {
        let text: [u8; LENGTH] = stored.try_into().ok()?;
        let blank = |byte: &u8| BLANKS.contains(byte);
        let is_token = text.starts_with(VALUE) && text[VALUE.len()..].iter().all(blank);
        is_token.then_some(Self(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_null_to_any_reader_of_json_and_a_token_to_this_one() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let token = Token::from_bits(bits);
            let json: serde_json::Value = serde_json::from_slice(token.as_bytes()).unwrap();
            assert_eq!(json, serde_json::Value::Null);
            assert_eq!(Token::read(token.as_bytes()), Some(token));
        }
    }

    #[test]
    fn no_value_is_a_token() {
        let mut letter = Token::fresh().as_bytes().to_vec();
        letter[30] = b'x';
        let mut number = Token::fresh().as_bytes().to_vec();
        number[0] = b'1';
        let longer = [Token::fresh().as_bytes(), b" "].concat();
        for stored in [&b"null"[..], b"", b"{}", &letter, &number, &longer] {
            assert_eq!(Token::read(stored), None);
        }
    }

    #[test]
    fn each_bit_makes_another_token() {
        let zero = Token::from_bits(0);
        for bit in 0..BITS {
            assert_ne!(Token::from_bits(1 << bit), zero);
        }
    }
}
