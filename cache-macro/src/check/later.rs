//! Options that are checked as they will be, and then refused because nothing stands behind them.

use crate::args::Args;
use crate::error::Errors;
use crate::literal::peel_type;
use crate::target::{Arg, Target, generic_of};
use crate::types;
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Receiver, ReceiverKind, Type};

pub(super) fn check(args: &Args, target: &Target, errors: &mut Errors) {
    if let Some(stale) = args.later("stale")
        && !args.is_given("ttl")
    {
        errors.at(
            stale.span(),
            "`stale` begins where the `ttl` ends; give a `ttl` too",
        );
    }
    // These go on when their caller has left.
    for option in ["stale", "detach"]
        .iter()
        .filter_map(|name| args.later(name))
    {
        if let Some(receiver) = target.receiver().filter(|receiver| !can_be_kept(receiver)) {
            errors.on(
                receiver,
                format!(
                    "`{option}` goes on after the caller has left; take `self: Arc<Self>`, `self` \
                     or `&self`"
                ),
            );
        }
        for arg in &target.args {
            argument(option, arg, errors);
        }
    }
    if errors.is_empty() {
        for option in &args.later {
            errors.at(option.span(), format!("`{option}` is not there yet"));
        }
    }
}

/// A shared reference can be made owned, a borrow inside of a type cannot.
fn argument(option: &Ident, arg: &Arg, errors: &mut Errors) {
    let inside = match peel_type(&arg.ty) {
        Type::Reference(reference) if reference.mutability.is_none() => &reference.elem,
        _ => &arg.ty,
    };
    if types::borrow(inside).is_some() {
        let name = &arg.name;
        errors.on(
            &arg.ty,
            format!(
                "`{option}` goes on after the caller has left, so `{name}` cannot borrow; take it \
                 by value"
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
