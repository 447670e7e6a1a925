//! One call as the expansion describes it: which function, with which key, in which cache.

use std::cell::{Cell, RefCell};

use crate::address::{Asked, Flow};
use crate::cache::Cache;
use crate::current::{self, Current};
use crate::key::{Key, KeyWriter, MOST_SPARE};
use crate::spec::{Instance, Spec, Types};

/// One call on its way: the function and the key that its arguments make. Boxed, since it goes from
/// hand to hand before it is known how it is answered, and in a box that was used before.
#[derive(Debug)]
pub struct Call(Box<Described>);

#[derive(Debug)]
struct Described {
    instance: &'static Instance,
    asked: Asked,
    own_cache: Option<Cache>,
    key: KeyWriter,
    /// Whether the key begins with the function's name: that of a function with copies is looked up
    /// without it.
    is_named: bool,
}

thread_local! {
    /// Calls of this thread that are answered.
    static SPARE: Spare = const {
        Spare {
            last: Cell::new(None),
            others: RefCell::new(Vec::new()),
        }
    };
}

/// Room for calls. Mostly one is under way, so the last one has a place without a count.
struct Spare {
    last: Cell<Option<Call>>,
    others: RefCell<Vec<Call>>,
}

impl Spare {
    #[inline]
    fn take(&self) -> Option<Call> {
        let last = self.last.take();
        last.or_else(|| self.others.borrow_mut().pop())
    }

    #[inline]
    fn keep(&self, call: Call) {
        if let Some(before) = self.last.replace(Some(call)) {
            let mut others = self.others.borrow_mut();
            if others.len() < MOST_SPARE {
                others.push(before);
            }
        }
    }
}

impl Call {
    /// Begins a call of a function without type parameters. Its key has no parts yet.
    #[must_use]
    pub fn new(spec: &'static Spec) -> Self {
        Self::of(spec.instance())
    }

    /// Begins a call of a function, or method, with the types that `marker` adds. Each place in the
    /// source has a marker of its own.
    #[must_use]
    pub fn generic(spec: &'static Spec, marker: impl FnOnce(&mut Types)) -> Self {
        Self::of(spec.instance_of(marker))
    }

    fn of(instance: &'static Instance) -> Self {
        let spare = SPARE.try_with(Spare::take);
        let mut call = spare.ok().flatten().unwrap_or_else(|| {
            Self(Box::new(Described {
                instance,
                asked: Asked::default(),
                own_cache: None,
                key: KeyWriter::default(),
                is_named: false,
            }))
        });
        let described = &mut *call.0;
        described.instance = instance;
        // Before the key is made, which may take other calls.
        described.asked = Asked::of(instance);
        described.is_named = !instance.has_near();
        if described.is_named {
            described.key.encoded(instance.head());
        }
        call
    }

    /// The same for a companion, which makes no call: what was asked of one is still to be taken.
    #[must_use]
    pub(crate) fn of_companion(mut self) -> Self {
        self.0.asked.give_back();
        self
    }

    /// What this call was asked for, which waits in this way.
    pub(crate) fn asked(&mut self, flow: Flow) -> &mut Asked {
        self.0.asked.of_flow(flow);
        &mut self.0.asked
    }

    /// The option `cache`.
    #[must_use]
    pub fn with_cache(mut self, cache: &Cache) -> Self {
        self.0.own_cache = Some(cache.clone());
        self
    }

    /// Writes a type that the key names.
    pub fn type_name<T: ?Sized>(&mut self) {
        // As in a name, and escaped as any part is.
        let name = std::any::type_name::<T>().replace('.', "%2E");
        self.0.key.text(&name.replace("::", "."));
    }

    /// Takes the parts of the key.
    pub fn key(&mut self) -> &mut KeyWriter {
        &mut self.0.key
    }

    /// What is written of the key, where it has no more parts to come: all but the name, if that is
    /// still to be written.
    pub(crate) fn text(&self) -> &str {
        self.0.key.up_to(self.0.key.len())
    }

    /// Sees to it that the key begins with the name, and tells how long that is if it did not.
    pub(crate) fn name(&mut self) -> usize {
        let call = &mut *self.0;
        if std::mem::replace(&mut call.is_named, true) {
            return 0;
        }
        let head = call.instance.head();
        call.key.prepend(head);
        head.len()
    }

    /// Returns whether another function has the same keys by accident.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.0.instance.is_ambiguous()
    }

    pub(crate) fn own_cache(&self) -> Option<&Cache> {
        self.0.own_cache.as_ref()
    }

    pub(crate) fn instance(&self) -> &'static Instance {
        self.0.instance
    }

    pub(crate) fn spec(&self) -> &'static Spec {
        self.0.instance.spec()
    }

    /// The cache that this call uses here and now, if there is one, and the key in it.
    pub(crate) fn resolve(mut self) -> (Option<Current>, Key) {
        self.name();
        let cache = current::of_call(self.0.own_cache.take());
        let key = std::mem::take(&mut self.0.key).finish();
        self.recycle();
        (cache, key)
    }

    /// Lets the next call be described where this one was.
    pub(crate) fn recycle(mut self) {
        self.0.asked.give_back();
        self.0.own_cache = None;
        if !self.0.key.clear() {
            return;
        }
        // A thread that ends has no next call.
        let _ = SPARE.try_with(|spare| spare.keep(self));
    }
}
