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

/// A struct that is being written, and which of its fields is expected next: they come in the same
/// order each time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: usize,
    next: usize,
}

impl Fields {
    pub(super) fn begin(&self, name: &'static str, variant: Option<&'static str>) -> Place {
        let mut structs = self.0.borrow_mut();
        let is_it = |of: &Struct| of.name == name && of.variant == variant;
        let at = structs.iter().position(is_it).unwrap_or_else(|| {
            structs.push(Struct {
                name,
                variant,
                fields: Vec::new(),
                is_tagged: Cell::new(false),
            });
            structs.len() - 1
        });
        Place { at, next: 0 }
    }

    pub(super) fn add(&self, place: &mut Place, field: &'static str) {
        let mut structs = self.0.borrow_mut();
        let Some(of) = structs.get_mut(place.at) else {
            return;
        };
        if of.fields.get(place.next) != Some(&field) {
            match of.fields.iter().position(|known| *known == field) {
                Some(at) => place.next = at,
                None => {
                    place.next = of.fields.len();
                    of.fields.push(field);
                }
            }
        }
        place.next += 1;
    }

    /// A field of this struct is the name of a variant of this enum.
    pub(super) fn holds_variant_of(&self, place: Place, name: &str) {
        if let Some(of) = self.0.borrow().get(place.at)
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
