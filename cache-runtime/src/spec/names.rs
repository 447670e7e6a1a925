//! The names of functions: their derivation, and the register that finds two functions of one name.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::instance::Instance;
use super::place;
use crate::key::{KeyWriter, MAX_KEY_BYTES};

/// The name of a function, which begins its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// By the option `name`.
    Given(&'static str),
    Derived(Derived),
}

/// What a name is derived from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Derived {
    /// The module and the function.
    pub(super) path: &'static str,
    pub(super) module: &'static str,
    /// A hash of the attribute and the function as they are written.
    pub(super) item: u64,
    pub(super) column: u32,
    /// The path of the companion beside the function.
    pub(super) companion: Option<fn() -> &'static str>,
}

impl Derived {
    /// Writes the name of a function with this path, as the compiler writes it. At module level, the
    /// name comes from the source alone, so every build writes the same keys.
    pub(super) fn write(&self, path: &str, is_method: bool, name: &mut KeyWriter) {
        let is_local = if is_method {
            name.path(path);
            place::is_local_method(path, self.module)
        } else {
            let parent = place::parent(self.companion.map_or(path, |companion| companion()));
            name.path(parent);
            name.encoded(".");
            name.path(place::last(self.path));
            !place::is_same(parent, self.module)
        };
        if is_local {
            // A path names no blocks, so their text and column distinguish two of them.
            name.encoded(&format!("-{:08x}", self.item_hash()));
        }
    }

    fn item_hash(&self) -> u32 {
        // The prime of FNV-1a spreads the column over the upper half, which is kept.
        const PRIME: u64 = 0x0100_0000_01b3;
        let hash = (self.item ^ u64::from(self.column)).wrapping_mul(PRIME);
        ((hash >> 32) ^ hash) as u32
    }
}

/// The instances of all functions that were called, by their names.
static REGISTER: OnceLock<Mutex<HashMap<&'static str, Vec<&'static Instance>>>> = OnceLock::new();

/// Registers an instance. If another one has the same keys by accident, both bypass the cache from
/// then on. Two given names are no accident.
pub(super) fn register(new: &'static Instance, once: &OnceLock<()>) {
    let mut other = None;
    let mut is_first = false;
    once.get_or_init(|| {
        is_first = true;
        let mut register = register_of_all();
        let known = register.entry(new.name()).or_default();
        for known in known.iter().filter(|known| known.conflicts_with(new)) {
            known.set_ambiguous();
            new.set_ambiguous();
            other = Some(*known);
        }
        known.push(new);
    });
    // Without the lock: a subscriber may make calls of its own.
    if let Some(other) = other {
        warn_of(other, new);
    }
    if is_first && new.head().len() > MAX_KEY_BYTES {
        let place = new.spec().place();
        tracing::warn!(
            "the types of the cached function at {place} make its keys longer than \
             {MAX_KEY_BYTES} bytes: it runs without the cache"
        );
    }
}

fn warn_of(other: &Instance, new: &Instance) {
    let (one, two) = (other.spec(), new.spec());
    if std::ptr::eq(one, two) {
        tracing::error!(
            "the cached function at {} is called with two types of one path, {}: calls with either \
             run without the cache; make what tells the types apart a part of the key",
            one.place(),
            new.types(),
        );
    } else {
        tracing::error!(
            "the cached functions at {} and at {} have one name, `{}`: both run without the cache; \
             give each a `name` of its own, or make what tells them apart a part of the key",
            one.place(),
            two.place(),
            new.name(),
        );
    }
}

/// Registers the type of a function's values. Warns if its given name has another one.
#[cold]
pub(super) fn register_value(new: &'static Instance, value: &'static str) {
    let mut other = None;
    new.value.get_or_init(|| {
        let register = register_of_all();
        let same_name = register.get(new.name()).into_iter().flatten();
        let differs = |known: &Instance| {
            known.head() == new.head() && known.value.get().is_some_and(|of| *of != value)
        };
        other = same_name.copied().find(|known| differs(known));
        value
    });
    if let Some(other) = other {
        let (one, two) = (other.spec(), new.spec());
        tracing::warn!(
            "`{}` is the name of cached functions with two types of values: `{}` at {} and \
             `{value}` at {}; give one of them another `name`",
            new.head(),
            other.value.get().unwrap_or(&""),
            one.place(),
            two.place(),
        );
    }
}

/// Returns the name of the function whose keys begin with `head`, or `head` without its version.
pub(crate) fn function_of(head: &str) -> String {
    let name = head.split('@').next().unwrap_or_default();
    let register = register_of_all();
    let known = register.get(name).and_then(|known| known.first());
    known.map_or(name, |known| known.spec().name()).to_owned()
}

fn register_of_all() -> std::sync::MutexGuard<'static, HashMap<&'static str, Vec<&'static Instance>>>
{
    let register = REGISTER.get_or_init(Mutex::default);
    register.lock().unwrap_or_else(PoisonError::into_inner)
}
