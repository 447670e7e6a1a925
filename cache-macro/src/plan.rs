//! What is to be generated, with every decision made.

use crate::target::Target;
use proc_macro2::Ident;
use syn::{Expr, Generics, LitStr, Member, Pat, Path, Type};

pub(crate) struct Plan {
    pub(crate) krate: Path,
    pub(crate) target: Target,
    pub(crate) home: Home,
    pub(crate) name: Name,
    pub(crate) settings: Vec<Setting>,
    pub(crate) call: Call,
    pub(crate) ttl: Ttl,
    pub(crate) store_if: Option<StoreIf>,
    /// Keeps copies in the process.
    pub(crate) near: bool,
    /// Keeps what does not come back equal.
    pub(crate) lossy: bool,
    /// Keeps that a function without a value came to its end.
    pub(crate) cache_unit: bool,
    pub(crate) behind: Option<Behind>,
}

/// What the call does when its caller has left.
pub(crate) struct Behind {
    /// The option that asks for it, for its place.
    pub(crate) option: Ident,
    /// Refreshes a stale value.
    pub(crate) stale: bool,
    /// Goes on loading.
    pub(crate) detach: bool,
    pub(crate) clones_self: bool,
    pub(crate) owned: Vec<Owned>,
}

/// How an argument comes to outlive the call.
pub(crate) enum Owned {
    Moved(Ident, Type),
    /// A reference to this type, of which a copy is made.
    Copied(Ident, Type),
}

/// Where the cache of the function lives.
pub(crate) enum Home {
    /// Beside it, in a type of its own.
    Companion(Box<Companion>),
    /// In the function, which is a method: nothing may stand beside one.
    Method,
    /// In the function, because the user asked for no companion.
    Alone,
}

/// The first part of every key.
pub(crate) enum Name {
    /// The path of the function, and a hash of the function as it is written.
    Path(String, u64),
    Given(LitStr),
}

/// What the static of the function says beyond its name.
pub(crate) enum Setting {
    Version(Expr),
    Ttl(u64),
    StoreNone,
    StoreNoneFor(u64),
    Jitter(u8),
    Stale(u64),
    NoLease,
    Lease(u64),
    Follow(u64),
    Near,
    NearFor(u64),
}

/// How the key of one call comes about.
pub(crate) struct Call {
    /// Patterns to take apart before anything else.
    pub(crate) bindings: Vec<Binding>,
    /// `cache`: at most one.
    pub(crate) cache: Option<Expr>,
    /// The type parameters that begin the key.
    pub(crate) types: Vec<Ident>,
    /// `impl Trait` arguments in the key: their types are part of it.
    pub(crate) opaque: Vec<Param>,
    /// The type parameters that the key names.
    pub(crate) named: Vec<Ident>,
    /// The type parameters, and the `impl Trait` arguments, that are no part of the key.
    pub(crate) left_out: Vec<Ident>,
    pub(crate) left_out_opaque: Vec<Param>,
    /// The const parameters that begin the key.
    pub(crate) consts: Vec<Ident>,
    pub(crate) parts: Vec<Part>,
}

/// `let PATTERN = ARGUMENT;`, so that nothing is moved out of the argument.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) pat: Pat,
    pub(crate) arg: Param,
    pub(crate) by: BindBy,
}

#[derive(Clone, Copy)]
pub(crate) enum BindBy {
    /// A pattern without modifiers, matched against a reference.
    Reference,
    /// A pattern whose variables are all `ref`, matched against the argument itself.
    RefBindings,
}

pub(crate) enum Part {
    /// The mark before a part.
    Separate,
    Text(String),
    /// A type parameter that the key names.
    Type(Ident),
    Whole(Param),
    /// A variable of a binding.
    Bound(Ident),
    /// `root.field.field`
    Field(Ident, Vec<Member>),
    Value(Expr),
}

/// An argument as the companion takes it.
#[derive(Clone)]
pub(crate) struct Param {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) taken: Taken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Anything that stands for a value of the type.
    Loosely,
    /// A reference to the type.
    ByReference,
    /// As the function takes it.
    AsDeclared,
}

pub(crate) enum Ttl {
    /// There is none, or the settings hold it.
    Settled,
    /// Over the arguments, before they move.
    Early { expr: Expr, bindings: Vec<Binding> },
    /// Over the value, which the closure takes by this type.
    Late { closure: Expr, value: Box<Type> },
}

pub(crate) enum StoreIf {
    /// A closure that takes the value by this type.
    Closure { closure: Expr, value: Box<Type> },
    /// The path of a function.
    Function(Expr),
    /// Anything else that can be called.
    Other(Expr),
}

pub(crate) struct Companion {
    pub(crate) name: Ident,
    /// What stands for one call.
    pub(crate) params: Vec<Param>,
    pub(crate) passing: Passing,
    pub(crate) many: Many,
    /// The parameters of the key.
    pub(crate) generics: Generics,
    /// The same for `put`, whose `ttl` may look at more arguments.
    pub(crate) put_generics: Generics,
    /// What `put` takes beside the value.
    pub(crate) put_params: Vec<Param>,
    pub(crate) put_value: PutValue,
    /// What `peek` gives.
    pub(crate) value: Type,
}

/// How the arguments come to the code that makes the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// The function and its companion share one piece of code, and lend it the arguments.
    Shared,
    /// The function has the same code once more: what it is given there is of the very type that
    /// an error should be about, and not of one that stands for it. Where there can be an error.
    Borrowed,
    /// As `Borrowed`, and an expression sees its arguments in the companion as in the function.
    Owned,
}

/// Whether several keys can be asked for at once.
#[derive(Clone, Copy)]
pub(crate) enum Many {
    No,
    /// By this one of the parameters.
    By(usize),
}

pub(crate) enum PutValue {
    /// Anything that the function keeps.
    Kept,
    /// What the `ttl` closure takes.
    OfClosure(Box<Type>),
}
