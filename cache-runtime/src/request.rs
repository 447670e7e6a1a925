//! One call as the expansion describes it: which function, with which key, in which cache.

use crate::cache::Cache;
use crate::current::{self, Current};
use crate::key::{Key, KeyWriter};
use crate::spec::{self, Spec};

/// One call on its way: the function and the key that its arguments make.
#[derive(Debug)]
pub struct Call {
    spec: &'static Spec,
    own_cache: Option<Cache>,
    key: KeyWriter,
    /// Where the parts of the key begin, behind the name and the types.
    parts: usize,
}

impl Call {
    /// A call of this function, whose key has no parts yet.
    #[must_use]
    pub fn new(spec: &'static Spec) -> Self {
        let mut key = KeyWriter::default();
        match spec.is_plain {
            true => key.literal(spec.name),
            false => key.name(spec.name),
        }
        key.version(spec.version);
        Self {
            spec,
            own_cache: None,
            parts: key.len(),
            key,
        }
    }

    /// The option `cache`.
    #[must_use]
    pub fn with_cache(mut self, cache: &Cache) -> Self {
        self.own_cache = Some(cache.clone());
        self
    }

    /// Makes a type part of the key.
    pub fn type_name<T: ?Sized>(&mut self) {
        self.key.separate();
        self.key.name(std::any::type_name::<T>());
        self.parts = self.key.len();
    }

    /// Makes the type of a value part of the key, where it has no name to be written.
    pub fn type_name_of<T: ?Sized>(&mut self, _value: &T) {
        self.type_name::<T>();
    }

    /// Takes the parts of the key.
    pub fn key(&mut self) -> &mut KeyWriter {
        &mut self.key
    }

    /// In a debug build, sees to it that no other function has this name.
    pub(crate) fn claim_name(&self) {
        spec::claim(self.key.up_to(self.parts), self.spec);
    }

    /// The key, where it has no more parts to come.
    pub(crate) fn text(&self) -> &str {
        self.key.up_to(self.key.len())
    }

    /// Lets the next key be written where this one stood.
    pub(crate) fn recycle(self) {
        self.key.finish().recycle();
    }

    pub(crate) fn own_cache(&self) -> Option<&Cache> {
        self.own_cache.as_ref()
    }

    pub(crate) fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// The cache that this call uses here and now, if there is one, and the key in it.
    pub(crate) fn resolve(self) -> (Option<Current>, Key) {
        (current::of_call(self.own_cache), self.key.finish())
    }
}
