//! `stale` and `detach`: the call goes on when its caller has left, so it has to own what it uses.

use crate::args::Args;
use crate::error::Errors;
use crate::literal::peel_type;
use crate::plan::{Behind, Owned};
use crate::target::{Arg, Body, Flow, Target, generic_of};
use crate::{tokens, types};
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Receiver, ReceiverKind, Type};

pub(super) fn check(
    args: &Args,
    is_inline: bool,
    target: &Target,
    errors: &mut Errors,
) -> Option<Behind> {
    let stale = args.stale.as_ref().map(|(option, _)| option);
    if let Some(stale) = stale
        && !args.is_given("ttl")
    {
        errors.at(
            stale.span(),
            "`stale` begins where the `ttl` ends; give a `ttl` too",
        );
    }
    if let Some(detach) = &args.detach
        && matches!(target.flow, Flow::Sync)
    {
        errors.at(
            detach.span(),
            "`detach` is for async functions; the caller of a sync one cannot leave",
        );
    }
    if let Body::Block(block) = &target.body
        && stale.is_some()
        && is_inline
        && let Some(token) = tokens::find_static(block.clone().into())
    {
        errors.at(
            token.span(),
            "with `stale` this body is there twice, and so would this `static` be; put it outside",
        );
    }
    let option = stale.or(args.detach.as_ref())?;
    if let Some(receiver) = target.receiver().filter(|receiver| !can_be_kept(receiver)) {
        errors.on(
            receiver,
            format!(
                "`{option}` goes on after the caller has left; take `self: Arc<Self>`, `self` or \
                 `&self`"
            ),
        );
    }
    for arg in &target.args {
        argument(option, arg, errors);
    }
    Some(Behind {
        option: option.clone(),
        stale: stale.is_some(),
        detach: args.detach.is_some(),
        clones_self: target.receiver().is_some_and(is_borrowed),
        owned: target.args.iter().map(owned).collect(),
    })
}

fn owned(arg: &Arg) -> Owned {
    match peel_type(&arg.ty) {
        Type::Reference(reference) => Owned::Copied(arg.name.clone(), (*reference.elem).clone()),
        _ => Owned::Moved(arg.name.clone(), arg.ty.clone()),
    }
}

fn is_borrowed(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(..) => true,
        ReceiverKind::Typed(_, ty) => matches!(peel_type(ty), Type::Reference(_)),
        _ => false,
    }
}

/// A shared reference can be made owned, a borrow inside of a type cannot.
fn argument(option: &Ident, arg: &Arg, errors: &mut Errors) {
    let inside = match peel_type(&arg.ty) {
        Type::Reference(reference) if reference.mutability.is_none() => peel_type(&reference.elem),
        ty => ty,
    };
    let name = &arg.name;
    if types::borrow(inside).is_some() {
        errors.on(
            &arg.ty,
            format!(
                "`{option}` goes on after the caller has left, so `{name}` cannot borrow; take it \
                 by value"
            ),
        );
    } else if let Type::TraitObject(object) = inside {
        let object = types::spell(object);
        errors.on(
            &arg.ty,
            format!(
                "`{option}` goes on after the caller has left, and nothing copies a `{object}`; \
                 take an `Arc<{object}>`"
            ),
        );
    }
}

fn can_be_kept(receiver: &Receiver) -> bool {
    let is_self = |ty: &Type| peel_type(ty).to_token_stream().to_string() == "Self";
    match &receiver.kind {
        ReceiverKind::Value => true,
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => match peel_type(ty) {
            Type::Reference(reference) => is_self(&reference.elem),
            ty => is_self(generic_of(ty, "Arc").unwrap_or(ty)),
        },
        _ => false,
    }
}
