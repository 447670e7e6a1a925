//! The names of the fields that writing a value came by: what reading knows beyond them is lost.

use std::cell::{Cell, RefCell};

/// The structs that were written, each with its fields.
#[derive(Debug, Default)]
pub struct Fields(RefCell<Vec<Struct>>);

/// All structs and struct variants of one name: a few, so that a look goes over all of them.
#[derive(Debug)]
struct Struct {
    name: &'static str,
    variant: Option<&'static str>,
    /// Written at least once, or skipped by a writer that said so.
    fields: Vec<&'static str>,
    /// Serde writes an enum with `tag` and `content` as a struct of that name, whose content is not
    /// there for a unit variant.
    is_tagged: Cell<bool>,
}

/// The structs of a value: their names, and how many fields were written of each. That is enough to
/// know whether all names of fields were compared before, and takes less than to note those names.
#[derive(Debug, Default)]
pub(super) struct Structs(RefCell<Vec<u64>>);

impl Structs {
    /// A struct, or a struct variant, is about to be written.
    #[inline]
    pub(super) fn add(&self, name: &'static str, variant: Option<&'static str>, len: usize) {
        // Names are part of the program's text, and so is their address.
        let address = |name: &'static str| name.as_ptr() as u64;
        let variant = variant.map_or(0, address).rotate_left(32);
        let hash = (address(name) ^ variant ^ (len as u64).rotate_left(48)).wrapping_mul(SPREADS);
        let mut structs = self.0.borrow_mut();
        // Mostly an element of a list.
        if structs.last() != Some(&hash) && !structs.contains(&hash) {
            structs.push(hash);
        }
    }

    /// Returns a hash of all of them.
    pub(super) fn signature(&self) -> u64 {
        let structs = self.0.borrow();
        structs.iter().fold(structs.len() as u64, |all, hash| {
            (all ^ hash).wrapping_mul(SPREADS).rotate_left(23)
        })
    }
}

/// The golden ratio, of which no bit is like its neighbour.
const SPREADS: u64 = 0x9E37_79B9_7F4A_7C15;

/// A struct that is being written, and which of its fields is expected next: they come in the same
/// order each time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    // Small, because it goes along with each field.
    at: u32,
    next: u32,
}

impl Fields {
    pub(super) fn begin(&self, name: &'static str, variant: Option<&'static str>) -> Place {
        let mut structs = self.0.borrow_mut();
        let is_it = |of: &Struct| is_same(of.name, name) && of.variant == variant;
        let at = structs.iter().position(is_it).unwrap_or_else(|| {
            structs.push(Struct {
                name,
                variant,
                fields: Vec::new(),
                is_tagged: Cell::new(false),
            });
            structs.len() - 1
        });
        Place {
            at: at as u32,
            next: 0,
        }
    }

    pub(super) fn add(&self, place: &mut Place, field: &'static str) {
        let mut structs = self.0.borrow_mut();
        let Some(of) = structs.get_mut(place.at as usize) else {
            return;
        };
        let next = of.fields.get(place.next as usize);
        if !next.is_some_and(|next| is_same(next, field)) {
            match of.fields.iter().position(|known| *known == field) {
                Some(at) => place.next = at as u32,
                None => {
                    place.next = of.fields.len() as u32;
                    of.fields.push(field);
                }
            }
        }
        place.next += 1;
    }

    /// A field of this struct is the name of a variant of this enum.
    pub(super) fn holds_variant_of(&self, place: Place, name: &str) {
        if let Some(of) = self.0.borrow().get(place.at as usize)
            && of.name == name
        {
            of.is_tagged.set(true);
        }
    }

    /// The struct of this name, if it was written.
    pub(super) fn find(&self, name: &str, variant: Option<&str>) -> Option<usize> {
        let is_it = |of: &Struct| of.name == name && of.variant == variant;
        self.0.borrow().iter().position(is_it)
    }

    /// Which of these fields were not written.
    pub(super) fn unwritten(
        &self,
        at: usize,
        known: &'static [&'static str],
    ) -> impl Iterator<Item = &'static str> {
        let structs = self.0.borrow();
        let of = structs.get(at).filter(|of| !of.is_tagged.get());
        let is_unwritten = |field: &&&'static str| of.is_some_and(|of| !of.fields.contains(*field));
        let unwritten: Vec<_> = known.iter().filter(is_unwritten).copied().collect();
        unwritten.into_iter()
    }

    pub(super) fn has(&self, at: usize, field: &str) -> bool {
        let structs = self.0.borrow();
        structs.get(at).is_some_and(|of| of.fields.contains(&field))
    }

    /// The name of the struct as its user knows it.
    pub(super) fn name(&self, at: usize) -> String {
        let structs = self.0.borrow();
        match structs.get(at) {
            Some(Struct {
                name,
                variant: Some(variant),
                ..
            }) => format!("{name}::{variant}"),
            Some(of) => of.name.to_owned(),
            None => String::new(),
        }
    }
}

/// Compares two names of the program's text, which mostly are at one address.
#[inline]
fn is_same(one: &'static str, other: &'static str) -> bool {
    std::ptr::eq(one, other) || one == other
}
