//! The names of the fields that writing a value visits. Fields that only reading knows are lost.

use std::cell::{Cell, RefCell};

/// The structs that were written, each with the names of its fields.
#[derive(Debug, Default)]
pub struct Fields(RefCell<Vec<Struct>>);

/// All structs and struct variants of one name. There are few, so a lookup visits all of them.
#[derive(Debug)]
struct Struct {
    name: &'static str,
    variant: Option<&'static str>,
    /// Fields that were written at least once, or skipped by `skip_field`.
    fields: Vec<&'static str>,
    /// Whether the struct is an enum with `tag` and `content`, which has no content for a unit variant.
    is_tagged: Cell<bool>,
}

/// The names of the structs in a value, and their numbers of fields. They suffice to know whether the
/// names of all fields were compared before, and take less time than recording those names.
#[derive(Debug, Default)]
pub(super) struct Structs(RefCell<Vec<u64>>);

impl Structs {
    /// Records a struct, or a struct variant.
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

    /// Returns a hash of all structs.
    pub(super) fn signature(&self) -> u64 {
        let structs = self.0.borrow();
        structs.iter().fold(structs.len() as u64, |all, hash| {
            (all ^ hash).wrapping_mul(SPREADS).rotate_left(23)
        })
    }
}

/// The golden ratio as a fraction of 2^64, a common multiplier for hashes.
const SPREADS: u64 = 0x9E37_79B9_7F4A_7C15;

/// A struct that is being written, and its next expected field: the order is the same each time.
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

    /// Records that a field of this struct is the name of a variant of this enum.
    pub(super) fn holds_variant_of(&self, place: Place, name: &str) {
        if let Some(of) = self.0.borrow().get(place.at as usize)
            && of.name == name
        {
            of.is_tagged.set(true);
        }
    }

    /// Returns the struct of this name, if it was written.
    pub(super) fn find(&self, name: &str, variant: Option<&str>) -> Option<usize> {
        let is_it = |of: &Struct| of.name == name && of.variant == variant;
        self.0.borrow().iter().position(is_it)
    }

    /// Returns those of these fields that were not written.
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

    /// Returns the name of the struct for messages.
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

/// Returns whether two names are equal, which mostly are one literal.
#[inline]
fn is_same(one: &'static str, other: &'static str) -> bool {
    std::ptr::eq(one, other) || one == other
}
