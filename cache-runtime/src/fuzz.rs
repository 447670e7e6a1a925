//! What the fuzzed tests are fed with: a few real inputs, changed here and there.
//!
//! `PROPTEST_CASES` says how many cases each of them tries; `.ci/fuzz` tries a million.

use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Edit {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    Splice(usize, usize),
}

/// One of these with up to eight edits, or bytes of no meaning.
pub(crate) fn changed(corpus: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec(edit(), 0..8);
    prop_oneof![
        9 => (0..corpus.len(), edits).prop_map(|(seed, edits)| {
            let seed = corpus[seed].as_bytes().to_vec();
            edits.iter().fold(seed, |bytes, edit| apply(bytes, edit, corpus))
        }),
        1 => any::<Vec<u8>>(),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    // Places and lengths are taken from what there is.
    let place = any::<usize>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        (place(), 0..16_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (place(), 0..8_usize, 0..64_usize).prop_map(|(at, count, n)| Edit::Repeat(at, count, n)),
        (place(), place()).prop_map(|(at, of)| Edit::Splice(at, of)),
    ]
}

fn apply(mut bytes: Vec<u8>, edit: &Edit, corpus: &[&str]) -> Vec<u8> {
    let within = |at: usize| at % (bytes.len() + 1);
    let up_to = |at: usize, count: usize| (at + count).min(bytes.len());
    match *edit {
        Edit::Set(at, byte) => {
            let at = within(at);
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        Edit::Insert(at, byte) => bytes.insert(within(at), byte),
        Edit::Remove(at, count) => {
            let at = within(at);
            bytes.drain(at..up_to(at, count));
        }
        Edit::Repeat(at, count, times) => {
            let at = within(at);
            let part = bytes[at..up_to(at, count)].repeat(times);
            bytes.splice(at..at, part);
        }
        Edit::Splice(at, of) => {
            let at = within(at);
            let other = corpus[of % corpus.len()].bytes();
            bytes.splice(at..at, other);
        }
    }
    bytes
}
