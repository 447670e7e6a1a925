//! An annotated function with the types of one set of calls: what the keys of these calls begin with.
//!
//! A generic function has one static for all of its types, and so has a method of a generic type.
//! The beginning of the keys is built once for each set of types. Every later call with these types
//! finds it by comparing type ids.

use std::any::TypeId;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Name, Spec, names, place};
use crate::key::KeyWriter;

/// The types of a call that are part of its key.
#[derive(Debug, Default)]
pub struct Types {
    /// The names that begin the key, and those that the key has elsewhere.
    leading: Vec<&'static str>,
    named: Vec<&'static str>,
    /// The types of all these names, and the `Self` of a method.
    ids: Vec<TypeId>,
    /// The types that are not part of the key.
    left_out: Vec<TypeId>,
}

impl Types {
    /// Adds a type parameter of the function, which begins the key.
    pub fn add<T: ?Sized>(&mut self) {
        self.leading.push(std::any::type_name::<T>());
        self.ids.push(typeid::of::<T>());
    }

    /// Adds a type parameter that the key names.
    pub fn named<T: ?Sized>(&mut self) {
        self.named.push(std::any::type_name::<T>());
        self.ids.push(typeid::of::<T>());
    }

    /// Adds the type of a value, where that has no name.
    pub fn add_of<T: ?Sized>(&mut self, _value: &T) {
        self.add::<T>();
    }

    /// Adds the `Self` of a method, which the path of the method writes.
    pub fn host<T: ?Sized>(&mut self) {
        self.ids.push(typeid::of::<T>());
    }

    /// Records a type parameter that is not part of the key.
    pub fn left_out<T: ?Sized>(&mut self) {
        self.left_out.push(typeid::of::<T>());
    }

    /// Records the type of an argument, where that is not part of the key and has no name.
    pub fn left_out_of<T: ?Sized>(&mut self, _value: &T) {
        self.left_out::<T>();
    }
}

/// The type of a closure in the function, which identifies the types that the function is called with.
struct Marker {
    id: TypeId,
    name: &'static str,
}

/// An annotated function with one set of types.
pub(crate) struct Instance {
    spec: &'static Spec,
    marker: Option<Marker>,
    types: Types,
    /// The beginning of its keys, encoded: `name[@version][:<type>]..`.
    head: Box<str>,
    registered: OnceLock<()>,
    /// Whether its calls may be answered by near copies.
    has_near: AtomicBool,
    /// Another function has the same derived name, so the key alone does not tell them apart.
    is_ambiguous: AtomicBool,
    /// The name of the type of its values, once one was stored.
    pub(super) value: OnceLock<&'static str>,
    next: Instances,
}

/// A list that only grows, read without a lock.
pub(super) type Instances = OnceLock<Box<Instance>>;

impl Instance {
    pub(crate) fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// Returns whether its calls may be answered by near copies. Those of an ambiguous one may not.
    pub(crate) fn has_near(&self) -> bool {
        self.has_near.load(Ordering::Relaxed)
    }

    /// Returns the beginning of its keys, encoded: `name[@version][:<type>]..`.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// Returns the name and the version, encoded.
    pub(super) fn name(&self) -> &str {
        self.head.split(':').next().unwrap_or_default()
    }

    /// Returns whether another function has the same name by accident. Neither may use the cache then.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous.load(Ordering::Relaxed)
    }

    pub(super) fn set_ambiguous(&self) {
        self.is_ambiguous.store(true, Ordering::Relaxed);
        self.has_near.store(false, Ordering::Relaxed);
    }

    /// Records the type of this function's values, and warns if its name has another one already.
    pub(crate) fn note_value(&'static self, value: &'static str) {
        if self.spec.is_named() && self.value.get().is_none() {
            names::register_value(self, value);
        }
    }

    /// Returns whether the two share keys by accident.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let is_one_function = std::ptr::eq(self.spec, other.spec);
        // A given name may be shared on purpose.
        let is_shared_on_purpose = self.spec.is_named() && other.spec.is_named();
        if !is_one_function && !is_shared_on_purpose {
            return true;
        }
        if self.head != other.head || self.types.named != other.types.named {
            return false;
        }
        // Two types of one name, as of two blocks.
        self.types.ids != other.types.ids || (is_one_function && self.is_twin_of(other))
    }

    /// Returns whether the closure at one place has two types although the types that it adds are
    /// equal: then the types round that place differ.
    fn is_twin_of(&self, other: &Self) -> bool {
        match (&self.marker, &other.marker) {
            (Some(one), Some(two)) => {
                one.name == two.name
                    && one.id != two.id
                    && self.types.left_out == other.types.left_out
            }
            _ => false,
        }
    }

    /// Returns the paths of its types, for messages.
    pub(super) fn types(&self) -> String {
        let marker = self.marker.as_ref().map_or("", |marker| marker.name);
        let names = self.types.leading.iter().chain(&self.types.named);
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        match names.is_empty() {
            true => format!("in `{}`", place::function(marker)),
            false => names.join(" or "),
        }
    }

    /// Registers the name, once.
    fn registered(&'static self) -> &'static Self {
        if self.registered.get().is_none() {
            names::register(self, &self.registered);
        }
        self
    }
}

impl Spec {
    /// Returns the only instance of a function without type parameters.
    #[inline]
    pub(crate) fn instance(&'static self) -> &'static Instance {
        match self.only.get() {
            Some(only) => only,
            None => self.register_only(),
        }
    }

    #[cold]
    fn register_only(&'static self) -> &'static Instance {
        let made = || Instance::new(self, None, Types::default());
        let only = self.instances.get_or_init(made).registered();
        self.only.get_or_init(|| only)
    }

    /// Returns the instance of the types that `marker` adds.
    pub(crate) fn instance_of<M: FnOnce(&mut Types)>(
        &'static self,
        marker: M,
    ) -> &'static Instance {
        let id = typeid::of::<M>();
        if let Some(found) = self.find(id) {
            return found;
        }
        let mut types = Types::default();
        marker(&mut types);
        let name = std::any::type_name::<M>();
        self.insert(Marker { id, name }, types)
    }

    fn find(&'static self, id: TypeId) -> Option<&'static Instance> {
        let mut next = self.instances.get();
        while let Some(instance) = next {
            if instance.marker.as_ref().is_some_and(|of| of.id == id) {
                return Some(instance.registered());
            }
            next = instance.next.get();
        }
        None
    }

    #[cold]
    fn insert(&'static self, marker: Marker, types: Types) -> &'static Instance {
        let id = marker.id;
        let mut new = Some(Instance::new(self, Some(marker), types));
        let mut place = &self.instances;
        loop {
            let instance = place.get_or_init(|| new.take().unwrap_or_else(|| unreachable!()));
            if instance.marker.as_ref().is_some_and(|of| of.id == id) {
                return instance.registered();
            }
            place = &instance.next;
        }
    }
}

impl Instance {
    fn new(spec: &'static Spec, marker: Option<Marker>, types: Types) -> Box<Self> {
        let closure = marker.as_ref().map(|marker| marker.name);
        Box::new(Self {
            head: head(spec, closure, &types),
            spec,
            marker,
            types,
            registered: OnceLock::new(),
            has_near: AtomicBool::new(spec.near.is_some()),
            is_ambiguous: AtomicBool::new(false),
            value: OnceLock::new(),
            next: OnceLock::new(),
        })
    }
}

fn head(spec: &Spec, closure: Option<&'static str>, types: &Types) -> Box<str> {
    let path = closure.map_or("", place::function);
    let mut head = KeyWriter::default();
    match &spec.name {
        Name::Given(name) => head.name(name),
        Name::Derived(derived) => derived.write(path, spec.is_method, &mut head),
    }
    head.version(spec.version);
    let host = place::parent(path);
    if matches!(spec.name, Name::Given(_)) && (spec.is_method || place::is_implementation(host)) {
        head.type_name(host);
    }
    for name in &types.leading {
        head.type_name(name);
    }
    head.finish().to_string().into()
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instance").field(&self.head).finish()
    }
}
