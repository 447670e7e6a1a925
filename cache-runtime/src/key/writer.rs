//! Writes parts so that they cannot be mistaken for each other.

use std::cell::RefCell;
use std::fmt::{self, Write};

use super::{CacheKey, Key, MAX_KEY_BYTES};

/// Takes the parts of a key; what an implementation of [`CacheKey`] writes to.
#[derive(Debug)]
pub struct KeyWriter {
    text: String,
}

thread_local! {
    /// Where keys of this thread stood that are not needed any more.
    static SPARE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// As many as there are calls under way on one thread, within reason.
pub(crate) const MOST_SPARE: usize = 64;
/// More would be kept for ever for the sake of one long key.
const LONGEST_SPARE: usize = 256;

/// Keeps the room of a key for the next one.
pub(super) fn recycle(mut text: String) {
    if text.capacity() > LONGEST_SPARE {
        return;
    }
    text.clear();
    let keep = |spare: &RefCell<Vec<String>>| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST_SPARE {
            spare.push(text);
        }
    };
    // A thread that ends has no next key.
    let _ = SPARE.try_with(keep);
}

impl Default for KeyWriter {
    fn default() -> Self {
        const USUAL: usize = 64;
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let text = spare.ok().flatten();
        Self {
            text: text.unwrap_or_else(|| String::with_capacity(USUAL)),
        }
    }
}

impl KeyWriter {
    /// Writes text so that it cannot be mistaken for anything else.
    pub fn text(&mut self, text: &str) {
        if text.is_empty() {
            self.text.push('%');
        }
        self.escaped(text);
    }

    /// Writes what `value` displays as, like [`text`](Self::text).
    pub fn display(&mut self, value: impl fmt::Display) {
        let before = self.text.len();
        // Only a key that is too long is an error; a `Display` that fails has written what it could.
        let _ = write!(Escaping(self), "{value}");
        if self.text.len() == before {
            self.text.push('%');
        }
    }

    /// Writes a number in digits, which need no escaping.
    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    /// Writes `name(a,b)`, the form of a struct or of a variant with fields; without parts the
    /// name alone, and `()` if the name is empty too.
    pub fn tuple(&mut self, name: &str, parts: &[&dyn CacheKey]) {
        self.escaped(name);
        if parts.is_empty() && !name.is_empty() {
            return;
        }
        self.enclosed('(', ')', parts.iter().copied());
    }

    /// Begins the form of a struct or of a variant with fields.
    #[doc(hidden)]
    pub fn open(&mut self, name: &str) {
        self.escaped(name);
        self.text.push('(');
    }

    /// Writes the mark between two fields.
    #[doc(hidden)]
    pub fn and(&mut self) {
        self.text.push(',');
    }

    /// Ends what [`open`](Self::open) began.
    #[doc(hidden)]
    pub fn close(&mut self) {
        self.text.push(')');
    }

    /// Writes `[a,b]`, the form of a list.
    pub fn list<'a, T: CacheKey + ?Sized + 'a>(&mut self, parts: impl IntoIterator<Item = &'a T>) {
        self.enclosed('[', ']', parts);
    }

    /// Goes on with a key that was finished.
    pub(super) fn after(text: String) -> Self {
        Self { text }
    }

    /// Writes a character that no part can hold.
    pub(super) fn mark(&mut self, mark: char) {
        self.text.push(mark);
    }

    /// Writes the mark between two parts.
    #[doc(hidden)]
    pub fn separate(&mut self) {
        self.text.push(':');
    }

    /// Ends a part of a type whose code may write nothing. That is written as an empty text, because
    /// only a prefix ends with two colons.
    #[doc(hidden)]
    pub fn end_part(&mut self) {
        if self.text.ends_with(':') {
            self.text.push('%');
        }
    }

    /// Writes text of a template, in which the attribute has escaped what structures a key.
    #[doc(hidden)]
    pub fn literal(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Writes a const parameter that begins the key.
    #[doc(hidden)]
    pub fn constant(&mut self, value: &impl CacheKey) {
        self.separate();
        self.text.push('<');
        value.write(self);
        self.text.push('>');
    }

    /// Writes a type that begins the key. No part begins with `<`.
    pub(crate) fn type_name(&mut self, name: &str) {
        self.separate();
        self.text.push('<');
        self.path(name);
        self.text.push('>');
    }

    /// Writes text that was encoded before.
    pub(crate) fn encoded(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes text that was encoded before in front of all that was written.
    pub(crate) fn prepend(&mut self, text: &str) {
        self.text.insert_str(0, text);
    }

    /// Writes the name that begins a key. A name is the program's own text and stays readable; what
    /// structures a key, steers a cluster or breaks a line is escaped.
    pub(crate) fn name(&mut self, name: &str) {
        if name.is_empty() {
            self.text.push('%');
        }
        for c in name.chars() {
            self.name_char(c);
        }
    }

    /// Writes a path of the program, or a type, as part of a name: with `.` for `::`, and with
    /// `(closure)`, which is no name, for what the compiler writes in braces.
    pub(crate) fn path(&mut self, path: &str) {
        let path = path.replace("{{closure}}", "(closure)");
        for (index, piece) in path.split("::").enumerate() {
            if index > 0 {
                self.text.push('.');
            }
            for c in piece.chars() {
                match c {
                    '.' => self.text.push_str("%2E"),
                    c => self.name_char(c),
                }
            }
        }
    }

    fn name_char(&mut self, c: char) {
        match c {
            ':' | '@' | '{' | '}' | '%' => self.escaped(c.encode_utf8(&mut [0; 4])),
            c if c.is_control() => self.escaped(c.encode_utf8(&mut [0; 4])),
            c => self.text.push(c),
        }
    }

    /// Writes the version that follows a name; zero is not written.
    pub(crate) fn version(&mut self, version: u64) {
        if version != 0 {
            let _ = write!(self.text, "@{version}");
        }
    }

    /// Whether it is worth keeping for the next key, from which it is empty.
    pub(crate) fn clear(&mut self) -> bool {
        self.text.clear();
        self.text.capacity() <= LONGEST_SPARE
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn up_to(&self, end: usize) -> &str {
        &self.text[..end]
    }

    pub(crate) fn finish(self) -> Key {
        Key {
            text: self.text,
            raw: false,
        }
    }

    fn enclosed<'a, T: CacheKey + ?Sized + 'a>(
        &mut self,
        open: char,
        close: char,
        parts: impl IntoIterator<Item = &'a T>,
    ) {
        self.text.push(open);
        for (index, part) in parts.into_iter().enumerate() {
            if self.is_too_long() {
                break;
            }
            if index > 0 {
                self.text.push(',');
            }
            part.write(self);
        }
        self.text.push(close);
    }

    /// Whether the key is longer than any that is cached, so that the rest of it need not be written.
    fn is_too_long(&self) -> bool {
        self.text.len() > MAX_KEY_BYTES
    }

    fn escaped(&mut self, text: &str) {
        if self.is_too_long() {
            return;
        }
        // Each byte is written as one or more, so a longer text is too long without its end.
        let bytes = &text.as_bytes()[..text.len().min(MAX_KEY_BYTES + 1)];
        if bytes.len() == text.len() && bytes.iter().copied().all(is_unreserved) {
            self.text.push_str(text);
            return;
        }
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for &byte in bytes {
            match byte {
                _ if is_unreserved(byte) => self.text.push(char::from(byte)),
                _ => {
                    self.text.push('%');
                    self.text.push(char::from(HEX[usize::from(byte >> 4)]));
                    self.text.push(char::from(HEX[usize::from(byte & 15)]));
                }
            }
        }
    }
}

fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~')
}

struct Escaping<'a>(&'a mut KeyWriter);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text);
        // An error ends the rest of a long text.
        match self.0.is_too_long() {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}
