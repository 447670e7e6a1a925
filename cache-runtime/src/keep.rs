//! What of a return value is kept: decided on the return type, whatever alias it is written under.
//!
//! The compiler resolves aliases before it looks for methods, and prefers inherent methods to those
//! of traits. So `Probe::<R>::new().ok().some()`, written where `R` is known, names a policy:
//!
//! | `R` | kept | seen by `ttl` and `store_if` |
//! |---|---|---|
//! | `Result<Option<T>, E>` | `Option<T>` | `T` |
//! | `Result<T, E>` | `T` | `T` |
//! | `Option<T>` | `Option<T>` | `T` |
//! | any other `T` | `T` | `T` |
//!
//! Nothing here asks for serde: the one place that does is [`Cacheable`](crate::Cacheable), so that a
//! type that cannot be stored is one error and not five.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use crate::json::{By, Equal, Hidden, Shown, Unequal};

/// Asks what `R` is. Holds nothing.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<fn() -> R>);

impl<R> Probe<R> {
    /// The question.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only expansions make one")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Nothing stands around the value.
#[derive(Clone, Copy, Debug)]
pub enum Bare {}

/// The value is the `Ok` of a `Result` with this error.
#[derive(Debug)]
pub struct Fallible<E>(PhantomData<fn() -> E>);

/// The value may not be absent.
#[derive(Clone, Copy, Debug)]
pub enum Whole {}

/// The value may be absent: `None`.
#[derive(Clone, Copy, Debug)]
pub enum Maybe {}

/// `R` with its `Result` taken off.
#[derive(Debug)]
pub struct Outcome<F, T>(PhantomData<fn() -> (F, T)>);

/// There is nothing in the value.
#[derive(Clone, Copy, Debug)]
pub enum Empty {}

/// What is kept of an `R`.
#[derive(Debug)]
pub struct Rule<F, M, T>(PhantomData<Holding<F, M, T>>);

/// Owns none of them, so that a rule is `Send` whatever they are.
type Holding<F, M, T> = fn() -> (F, M, T);

impl<F, M, T> Clone for Rule<F, M, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, M, T> Copy for Rule<F, M, T> {}

impl<T, E> Probe<Result<T, E>> {
    /// `R` is a `Result`.
    #[must_use]
    pub fn ok(self) -> Outcome<Fallible<E>, T> {
        Outcome(PhantomData)
    }
}

/// `R` is no `Result`.
pub trait OkFallback<R>: Sized {
    /// `R` is no `Result`.
    fn ok(self) -> Outcome<Bare, R> {
        Outcome(PhantomData)
    }
}

impl<R> OkFallback<R> for Probe<R> {}

impl<F, T> Outcome<F, Option<T>> {
    /// The value is an `Option`.
    #[must_use]
    pub fn some(self) -> Rule<F, Maybe, T> {
        Rule(PhantomData)
    }
}

/// The value is no `Option`.
pub trait SomeFallback<F, T>: Sized {
    /// The value is no `Option`.
    fn some(self) -> Rule<F, Whole, T> {
        Rule(PhantomData)
    }
}

impl<F, T> SomeFallback<F, T> for Outcome<F, T> {}

impl<R> Probe<R> {
    /// The type itself, with nothing taken off.
    #[must_use]
    pub fn whole(self) -> Rule<Bare, Whole, R> {
        Rule(PhantomData)
    }
}

impl<F> Rule<F, Whole, ()> {
    /// The function returns nothing: a hit would only leave out what it does.
    #[must_use]
    pub fn holding(self) -> Rule<F, Empty, ()> {
        Rule(PhantomData)
    }
}

/// The function returns something.
pub trait HoldingFallback: Sized {
    /// The function returns something.
    #[must_use]
    fn holding(self) -> Self {
        self
    }
}

impl<F, M, T> HoldingFallback for Rule<F, M, T> {}

/// A function that returns something.
// With a method instead of a bound, which the compiler would quote in the error.
#[diagnostic::on_unimplemented(
    message = "this function returns nothing that a hit could give",
    label = "a hit does not do what the function does",
    note = "return what it finds or makes; where the `Ok` itself is the answer, as in `authorize(..) -> Result<(), Denied>`, say `cache_unit`"
)]
pub trait Answers: Sized {
    /// The rule itself.
    #[must_use]
    fn answers(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<F, T> Answers for Rule<F, Whole, T> {}
#[diagnostic::do_not_recommend]
impl<F, T> Answers for Rule<F, Maybe, T> {}

impl<F, M, T: PartialEq> Rule<F, M, T> {
    /// Values are compared by `PartialEq`.
    #[must_use]
    pub fn equal(self) -> By<Equal, Hidden, T> {
        By::new()
    }
}

/// Values have no `PartialEq`.
pub trait EqualFallback<T>: Sized {
    /// Values have no `PartialEq`.
    #[must_use]
    fn equal(self) -> By<Unequal, Hidden, T> {
        By::new()
    }
}

impl<F, M, T> EqualFallback<T> for Rule<F, M, T> {}

/// The clones of a near copy: of an `Arc`, no code of the user's runs.
#[derive(Clone, Copy, Debug)]
pub enum Shares {}

/// The clones of a near copy: code of the user's runs, and may panic.
#[derive(Clone, Copy, Debug)]
pub enum Clones {}

/// How a near copy is cloned.
pub trait Copying {
    /// Whether the clone may panic.
    const MAY_PANIC: bool;
}

impl Copying for Shares {
    const MAY_PANIC: bool = false;
}

impl Copying for Clones {
    const MAY_PANIC: bool = true;
}

/// A way to clone, without a value of it.
#[derive(Debug)]
pub struct ClonedBy<C>(PhantomData<fn() -> C>);

impl<F, M, T> Rule<F, M, std::sync::Arc<T>> {
    /// Values are shared.
    #[must_use]
    pub fn cloned(self) -> ClonedBy<Shares> {
        ClonedBy(PhantomData)
    }
}

/// Values are cloned by their own code.
pub trait ClonedFallback: Sized {
    /// Values are cloned by their own code.
    #[must_use]
    fn cloned(self) -> ClonedBy<Clones> {
        ClonedBy(PhantomData)
    }
}

impl<F, M, T> ClonedFallback for Rule<F, M, T> {}

impl<E, T: Debug> By<E, Hidden, T> {
    /// Values are compared by `Debug`, too.
    #[must_use]
    pub fn shown(self) -> By<E, Shown, T> {
        By::new()
    }
}

/// Values have no `Debug`.
pub trait ShownFallback: Sized {
    /// Values have no `Debug`.
    #[must_use]
    fn shown(self) -> Self {
        self
    }
}

impl<E, T> ShownFallback for By<E, Hidden, T> {}

/// Takes a return value apart and puts it together again.
pub trait Policy<R>: Copy {
    /// What is kept.
    type Kept;
    /// What is written as JSON, and shown to the closures of the attribute.
    type Value;
    /// The kept part, or all of it where nothing is to be kept.
    fn split(returned: R) -> Result<Self::Kept, R>;
    /// The return value with this kept part.
    fn join(kept: Self::Kept) -> R;
    /// The kept part of a return value, if there is one.
    fn kept(returned: &R) -> Option<&Self::Kept>;
    /// The value; `None` is the absence of one.
    fn value(kept: &Self::Kept) -> Option<&Self::Value>;
    /// The kept part with this value, if there can be one.
    fn from_value(value: Option<Self::Value>) -> Option<Self::Kept>;
    /// A test of the value that holds of any: beside it, the type of another test is known.
    fn any(self) -> fn(&Self::Value) -> bool {
        |_| true
    }
}

macro_rules! bare {
    () => {
        fn split(returned: Self::Kept) -> Result<Self::Kept, Self::Kept> {
            Ok(returned)
        }
        fn join(kept: Self::Kept) -> Self::Kept {
            kept
        }
        fn kept(returned: &Self::Kept) -> Option<&Self::Kept> {
            Some(returned)
        }
    };
}

macro_rules! fallible {
    ($error:ident) => {
        fn split(
            returned: Result<Self::Kept, $error>,
        ) -> Result<Self::Kept, Result<Self::Kept, $error>> {
            match returned {
                Ok(kept) => Ok(kept),
                Err(error) => Err(Err(error)),
            }
        }
        fn join(kept: Self::Kept) -> Result<Self::Kept, $error> {
            Ok(kept)
        }
        fn kept(returned: &Result<Self::Kept, $error>) -> Option<&Self::Kept> {
            match returned {
                Ok(kept) => Some(kept),
                Err(_) => None,
            }
        }
    };
}

macro_rules! whole {
    () => {
        fn value(kept: &Self::Value) -> Option<&Self::Value> {
            Some(kept)
        }
        fn from_value(value: Option<Self::Value>) -> Option<Self::Value> {
            value
        }
    };
}

macro_rules! maybe {
    () => {
        fn value(kept: &Option<T>) -> Option<&T> {
            kept.as_ref()
        }
        fn from_value(value: Option<T>) -> Option<Option<T>> {
            Some(value)
        }
    };
}

impl<T> Policy<T> for Rule<Bare, Whole, T> {
    type Kept = T;
    type Value = T;
    bare!();
    whole!();
}

impl Policy<()> for Rule<Bare, Empty, ()> {
    type Kept = ();
    type Value = ();
    bare!();
    whole!();
}

impl<E> Policy<Result<(), E>> for Rule<Fallible<E>, Empty, ()> {
    type Kept = ();
    type Value = ();
    fallible!(E);
    whole!();
}

impl<T> Policy<Option<T>> for Rule<Bare, Maybe, T> {
    type Kept = Option<T>;
    type Value = T;
    bare!();
    maybe!();
}

impl<T, E> Policy<Result<T, E>> for Rule<Fallible<E>, Whole, T> {
    type Kept = T;
    type Value = T;
    fallible!(E);
    whole!();
}

impl<T, E> Policy<Result<Option<T>, E>> for Rule<Fallible<E>, Maybe, T> {
    type Kept = Option<T>;
    type Value = T;
    fallible!(E);
    maybe!();
}

/// What a `ttl` may be, besides a number or a duration known at compile time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a time to live",
    label = "expected a `Duration` or a whole number of seconds as `u64`",
    note = "write `ttl = 60`, `ttl = \"1h30m\"`, or use a `const TTL: Duration`"
)]
pub trait IntoTtl {
    /// The time to live; `None` for no expiry.
    fn into_ttl(self) -> Option<Duration>;
}

#[diagnostic::do_not_recommend]
impl IntoTtl for Duration {
    fn into_ttl(self) -> Option<Duration> {
        Some(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoTtl for u64 {
    fn into_ttl(self) -> Option<Duration> {
        Some(Duration::from_secs(self))
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoTtl> IntoTtl for Option<T> {
    fn into_ttl(self) -> Option<Duration> {
        self.and_then(T::into_ttl)
    }
}

/// The time to live that a closure gives this return value; `None` where it holds no value.
pub fn ttl_of<P: Policy<R>, R, D: IntoTtl>(
    _policy: P,
    returned: &R,
    ttl: impl FnOnce(&P::Value) -> D,
) -> Option<Duration> {
    let value = P::kept(returned).and_then(P::value)?;
    ttl(value).into_ttl()
}

/// Whether a closure lets this return value be stored. What holds no value is not asked about.
pub fn store_if<P: Policy<R>, R>(
    _policy: P,
    returned: &R,
    test: impl FnOnce(&P::Value) -> bool,
) -> bool {
    P::kept(returned).and_then(P::value).is_none_or(test)
}

/// Converts what is kept into what `peek` hands out.
pub trait Inner<V> {
    /// The value, if there is one.
    fn inner(self) -> Option<V>;
}

impl<R> Inner<R> for R {
    fn inner(self) -> Option<R> {
        Some(self)
    }
}

impl<T, E> Inner<T> for Result<T, E> {
    fn inner(self) -> Option<T> {
        self.ok()
    }
}

impl<T> Inner<T> for Option<T> {
    fn inner(self) -> Self {
        self
    }
}

impl<T, E> Inner<T> for Result<Option<T>, E> {
    fn inner(self) -> Option<T> {
        self.ok().flatten()
    }
}
