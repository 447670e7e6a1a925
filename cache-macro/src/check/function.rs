//! Functions that cannot have a cache.

use crate::error::Errors;
use crate::literal::peel_type;
use crate::target::{Body, Target};
use crate::types;
use quote::ToTokens;
use syn::{Receiver, ReceiverKind, ReturnType, Safety, Type};

pub(super) fn check(target: &Target, errors: &mut Errors) {
    if let Body::Missing(token) = &target.body {
        errors.on(
            token,
            "a cached function needs a body; put `#[read_through]` on the `impl`, not on the \
             declaration",
        );
    }
    qualifiers(target, errors);
    if let Some(receiver) = target.receiver() {
        receives_by_exclusive_reference(receiver, errors);
    }
    for arg in &target.args {
        if let Some(cfg) = arg.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            errors.on(
                cfg,
                "`#[cfg]` on an argument of a cached function is not supported; put it on the \
                 function",
            );
        }
    }
    returns(target, errors);
}

fn qualifiers(target: &Target, errors: &mut Errors) {
    let sig = &target.sig;
    if let Safety::Unsafe(token) = &sig.safety {
        errors.on(
            token,
            "a cached `unsafe fn` would be called by code that promised nothing; cache a safe \
             function around it",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.on(
            abi,
            "an `extern` function cannot be cached; cache a Rust function that calls it",
        );
    }
    if let Some(token) = &sig.constness {
        errors.on(token, "a `const fn` cannot reach a cache");
    }
    if let Some(variadic) = &sig.variadic {
        errors.on(variadic, "a variadic function cannot be cached");
    }
}

fn receives_by_exclusive_reference(receiver: &Receiver, errors: &mut Errors) {
    let exclusive = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        ReceiverKind::Typed(_, ty) => types::has_exclusive_reference(ty),
        _ => false,
    };
    if exclusive {
        errors.on(
            receiver,
            "the call changes the value it is cached for, and a hit would not; take `&self`",
        );
    }
}

fn returns(target: &Target, errors: &mut Errors) {
    let ReturnType::Type(_, declared) = &target.sig.output else {
        return;
    };
    if let Type::ImplTrait(future) = peel_type(declared)
        && target.sig.asyncness.is_none()
        && types::is_future(future)
    {
        errors.on(
            declared,
            "write `async fn` instead of a function that returns `impl Future`",
        );
    } else if types::has_impl_trait(declared) {
        errors.on(
            declared,
            "an `impl Trait` return type cannot be read back from the cache; name the type",
        );
    } else if let Some(borrow) = types::borrow(types::value(&target.returns)) {
        errors.on(
            &target.returns,
            format!(
                "a borrowed value cannot be read back from the cache; return an owned one instead \
                 of `{borrow}`"
            ),
        );
    }
}

/// A companion's functions do not have the arguments that a left-out lifetime would come from.
pub(super) fn names_lifetimes(target: &Target, errors: &mut Errors) {
    let value_is_owned = types::borrow(types::value(&target.returns)).is_none();
    if value_is_owned && types::has_elided_lifetime(&target.returns) {
        errors.on(
            target.returns.to_token_stream(),
            "the error borrows from an argument; return an owned one, or name the lifetime",
        );
    }
}
