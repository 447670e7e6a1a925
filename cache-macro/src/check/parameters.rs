//! Which type parameters of the function are part of the key.
//!
//! The answer may depend on every one of them. One that occurs in nothing but arguments that the key
//! leaves out is left out with them if its bounds say that no answer can depend on it; otherwise the
//! user has to say which of the two is meant.

use super::arguments::{Arguments, Use};
use crate::error::Errors;
use crate::literal::peel_type;
use crate::target::Target;
use crate::{tokens, types};
use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{GenericParam, Generics, Token, Type, TypeParamBound, WherePredicate};

/// What the key options say of parameters.
pub(super) struct Said<'a> {
    pub(super) used: &'a [Use],
    /// The expressions of the key, which may use a parameter.
    pub(super) values: &'a TokenStream,
    /// Parameters that the key names by themselves.
    pub(super) named: &'a [Ident],
    /// Names in `skip`.
    pub(super) skipped: &'a [String],
    /// Whether the option `key` is there, beside which `skip` takes types only.
    pub(super) has_key: bool,
}

pub(super) struct Parameters {
    /// Those that begin the key.
    pub(super) leading: Vec<Ident>,
    /// Whether the function has others that are no part of the key.
    pub(super) is_partial: bool,
    /// What a function of the companion is generic over.
    pub(super) of_companion: Generics,
}

/// Whether the function has a type or const parameter of this name.
pub(super) fn find<'a>(target: &'a Target, name: &str) -> Option<&'a GenericParam> {
    let mut params = target.sig.generics.params.iter();
    params.find(|param| ident(param).is_some_and(|ident| ident.unraw() == name))
}

fn ident(param: &GenericParam) -> Option<&Ident> {
    match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    }
}

pub(super) fn check(target: &Target, said: &Said<'_>, errors: &mut Errors) -> Parameters {
    let mut leading = Vec::new();
    let mut left_out = Vec::new();
    for param in target.sig.generics.type_params() {
        let name = &param.ident;
        if said.skipped.iter().any(|skipped| name.unraw() == skipped) {
            left_out.push(name.clone());
        } else if said.named.contains(name) {
            // It is written where the key names it.
        } else if is_in_key(name, target, said) {
            leading.push(name.clone());
        } else {
            if !is_harmless(name, target) {
                errors.on(name, advice(&name.to_string(), target, said));
            }
            left_out.push(name.clone());
        }
    }
    let consts = target.sig.generics.const_params();
    let skipped_consts = consts
        .map(|param| &param.ident)
        .filter(|name| said.skipped.iter().any(|skipped| name.unraw() == skipped));
    left_out.extend(skipped_consts.cloned());
    let has_opaque = check_opaque(target, said, errors);
    Parameters {
        leading,
        is_partial: !left_out.is_empty() || has_opaque,
        of_companion: without(&target.sig.generics, &left_out, &target.returns),
    }
}

/// Whether something of the key, or the answer, is of the parameter's type; or nothing is, so that
/// only the body can use it.
fn is_in_key(name: &Ident, target: &Target, said: &Said<'_>) -> bool {
    let holders = holders(name, target);
    holders.is_empty()
        || holders.iter().any(|index| said.used[*index] != Use::Unused)
        || mentions(&target.returns, name)
        || tokens::mention(said.values.clone(), &name.unraw().to_string())
}

/// The arguments in whose types the parameter occurs.
fn holders(name: &Ident, target: &Target) -> Vec<usize> {
    let args = target.args.iter().enumerate();
    args.filter(|(_, arg)| mentions(&arg.ty, name))
        .map(|(index, _)| index)
        .collect()
}

fn mentions(what: &impl ToTokens, name: &Ident) -> bool {
    tokens::mention(what.to_token_stream(), &name.unraw().to_string())
}

/// Whether no answer can depend on the parameter: its bounds allow nothing but to hold, to copy, to
/// send or to call a value, and the arguments are such values and no types made of it.
fn is_harmless(name: &Ident, target: &Target) -> bool {
    let args = holders(name, target);
    let mut values = args.iter().map(|index| &target.args[*index].ty);
    let generics = &target.sig.generics;
    let mut others = generics.type_params().filter(|param| param.ident != *name);
    let mut own = generics.type_params().filter(|param| param.ident == *name);
    let mut predicates = generics.where_clause.iter().flat_map(|of| &of.predicates);
    values.all(|ty| is_the_type(ty, name))
        && own.all(|param| are_harmless(&param.bounds))
        && !others.any(|param| mentions(&param.bounds, name))
        && predicates.all(|predicate| match predicate {
            WherePredicate::Type(of) if is_the_type(&of.bounded_ty, name) => {
                are_harmless(&of.bounds)
            }
            other => !mentions(other, name),
        })
}

/// `T`, `&T` and `&mut T`.
fn is_the_type(ty: &Type, name: &Ident) -> bool {
    match peel_type(ty) {
        Type::Reference(reference) => is_the_type(&reference.elem, name),
        Type::Path(path) => path.path.is_ident(name),
        _ => false,
    }
}

fn are_harmless(bounds: &Punctuated<TypeParamBound, Token![+]>) -> bool {
    const HARMLESS: &[&str] = &[
        "Sized",
        "Send",
        "Sync",
        "Unpin",
        "Copy",
        "Clone",
        "Fn",
        "FnMut",
        "FnOnce",
        "AsyncFn",
        "AsyncFnMut",
        "AsyncFnOnce",
    ];
    bounds.iter().all(|bound| match bound {
        TypeParamBound::Lifetime(_) => true,
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            last.is_some_and(|last| HARMLESS.iter().any(|harmless| last.ident == harmless))
        }
        _ => false,
    })
}

/// An `impl Trait` is a type parameter without a name, so that of its argument stands for it. Returns
/// whether the key leaves one out.
fn check_opaque(target: &Target, said: &Said<'_>, errors: &mut Errors) -> bool {
    let mut has_left_out = false;
    for (arg, used) in target.args.iter().zip(said.used) {
        if *used != Use::Unused || !types::has_impl_trait(&arg.ty) {
            continue;
        }
        has_left_out = true;
        let name = arg.name.unraw().to_string();
        let is_skipped = arg
            .binds
            .iter()
            .all(|bind| said.skipped.iter().any(|skipped| bind.unraw() == skipped));
        if !is_skipped && !is_harmless_opaque(&arg.ty) {
            let key = key_with("T", target, said);
            errors.on(
                &arg.ty,
                format!(
                    "the answer may depend on the type of `{name}`, which is no part of the key: \
                     write `skip({name})` beside `key` if it does not, or else give the type a \
                     name, as in `<T: ..>`, and write `key = \"{key}\"`"
                ),
            );
        }
    }
    has_left_out
}

fn is_harmless_opaque(ty: &Type) -> bool {
    match peel_type(ty) {
        Type::Reference(reference) => is_harmless_opaque(&reference.elem),
        Type::ImplTrait(opaque) => are_harmless(&opaque.bounds),
        _ => false,
    }
}

fn advice(name: &str, target: &Target, said: &Said<'_>) -> String {
    let key = key_with(name, target, said);
    let skip = match said.has_key {
        true => format!("write `skip({name})` beside `key`"),
        false => format!("add `{name}` to `skip`"),
    };
    format!(
        "the answer may depend on the type `{name}`, which is no part of the key: {skip} if it is \
         the same for every `{name}`, or else write `key = \"{key}\"`"
    )
}

/// The names that the key has, after this one.
fn key_with(name: &str, target: &Target, said: &Said<'_>) -> String {
    let used = Arguments::of(target)
        .variables()
        .filter(|found| said.used[found.index] != Use::Unused)
        .map(|found| found.variable.unraw().to_string());
    let names: Vec<String> = std::iter::once(name.to_owned()).chain(used).collect();
    names.join(", ")
}

/// The parameters without these, and without the bounds that mention them. What the return type
/// mentions stays: nothing is read without that type.
fn without(generics: &Generics, left_out: &[Ident], returns: &Type) -> Generics {
    let gone: Vec<&Ident> = left_out
        .iter()
        .filter(|name| !mentions(returns, name))
        .collect();
    if gone.is_empty() {
        return generics.clone();
    }
    let is_gone = |what: &dyn ToTokens| {
        let tokens = what.to_token_stream();
        gone.iter()
            .any(|name| tokens::mention(tokens.clone(), &name.unraw().to_string()))
    };
    let mut kept = generics.clone();
    kept.params = generics
        .params
        .iter()
        .filter(|param| ident(param).is_none_or(|name| !gone.contains(&name)))
        .cloned()
        .collect();
    for param in kept.type_params_mut() {
        let bounds = param.bounds.iter().filter(|bound| !is_gone(bound));
        param.bounds = bounds.cloned().collect();
    }
    if let Some(clause) = &mut kept.where_clause {
        let predicates = clause.predicates.iter().filter(|of| !is_gone(of));
        clause.predicates = predicates.cloned().collect();
    }
    kept
}
