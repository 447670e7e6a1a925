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
use syn::{Expr, GenericParam, Generics, Type, TypeParamBound, WherePredicate};

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
    /// The option `cache`, which the companion has as well.
    pub(super) cache: Option<&'a Expr>,
}

#[derive(Default)]
pub(super) struct Parameters {
    /// The types that begin the key.
    pub(super) leading: Vec<Ident>,
    /// The types that are no part of the key.
    pub(super) left_out: Vec<Ident>,
    /// The arguments whose `impl Trait` is no part of the key.
    pub(super) left_out_opaque: Vec<usize>,
    /// The consts that begin the key.
    pub(super) consts: Vec<Ident>,
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
    let is_skipped = |name: &Ident| said.skipped.iter().any(|skipped| name.unraw() == skipped);
    let mut leading = Vec::new();
    let mut left_out: Vec<Ident> = Vec::new();
    let mut in_bounds = Vec::new();
    for param in target.sig.generics.type_params() {
        let name = &param.ident;
        if said.named.contains(name) {
            // It is written where the key names it.
            if is_skipped(name) {
                errors.on(name, format!("`{name}` is both in `key` and in `skip`"));
            }
        } else if is_skipped(name) {
            left_out.push(name.clone());
        } else if is_in_key(name, target, said) {
            leading.push(name.clone());
        } else if holders(name, target).is_empty() {
            in_bounds.push(name);
        } else {
            if !is_harmless(name, target) {
                errors.on(name, advice(name, target, said));
            }
            left_out.push(name.clone());
        }
    }
    // A parameter that only the bounds of left out ones mention is left out with them.
    for name in in_bounds {
        let params = target.sig.generics.type_params().map(|param| &param.ident);
        let is_kept = params
            .filter(|param| *param != name && !left_out.contains(param))
            .any(|param| bounds(param, target).any(|of| mentions(of, name)));
        if is_kept {
            leading.push(name.clone());
            continue;
        }
        if !bounds(name, target).all(|bound| is_harmless_bound(bound, &["Future"])) {
            errors.on(name, advice(name, target, said));
        }
        left_out.push(name.clone());
    }
    let consts = target.sig.generics.const_params().map(|param| &param.ident);
    let (skipped, consts): (Vec<_>, Vec<_>) = consts.cloned().partition(is_skipped);
    let left_out_opaque = check_opaque(target, said, errors);
    let gone: Vec<Ident> = left_out.iter().chain(&skipped).cloned().collect();
    Parameters {
        of_companion: without(&target.sig.generics, &gone, target, said),
        leading,
        left_out,
        left_out_opaque,
        consts,
    }
}

/// Whether something of the key, or the answer, is of the parameter's type; or nothing but the body
/// can use it.
fn is_in_key(name: &Ident, target: &Target, said: &Said<'_>) -> bool {
    let holders = holders(name, target);
    let mut others = target.sig.generics.type_params();
    let is_unmentioned = holders.is_empty()
        && !others
            .any(|of| of.ident != *name && bounds(&of.ident, target).any(|of| mentions(of, name)));
    is_unmentioned
        || holders.iter().any(|index| said.used[*index] != Use::Unused)
        || mentions(&target.returns, name)
        || tokens::mention(said.values.clone(), &name.unraw().to_string())
}

/// The bounds of a parameter, where it is declared and after `where`.
fn bounds<'a>(
    name: &'a Ident,
    target: &'a Target,
) -> impl Iterator<Item = &'a TypeParamBound> + 'a {
    let generics = &target.sig.generics;
    let declared = generics
        .type_params()
        .filter(move |param| param.ident == *name)
        .flat_map(|param| &param.bounds);
    let clause = generics.where_clause.iter();
    let after = clause
        .flat_map(|clause| &clause.predicates)
        .filter_map(move |of| match of {
            WherePredicate::Type(of) if is_the_type(&of.bounded_ty, name) => Some(&of.bounds),
            _ => None,
        });
    declared.chain(after.flatten())
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
    let mut others = target.sig.generics.type_params();
    let clause = target.sig.generics.where_clause.iter();
    let mut predicates = clause.flat_map(|clause| &clause.predicates);
    values.all(|ty| is_the_type(ty, name))
        && bounds(name, target).all(|bound| is_harmless_bound(bound, &[]))
        && !others.any(|param| param.ident != *name && mentions(&param.bounds, name))
        && predicates.all(|predicate| match predicate {
            WherePredicate::Type(of) if is_the_type(&of.bounded_ty, name) => true,
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

fn is_harmless_bound(bound: &TypeParamBound, more: &[&str]) -> bool {
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
    match bound {
        TypeParamBound::Lifetime(_) => true,
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| {
            let mut harmless = HARMLESS.iter().chain(more);
            harmless.any(|harmless| last.ident == harmless)
        }),
        _ => false,
    }
}

/// An `impl Trait` is a type parameter without a name, so that of its argument stands for it. Returns
/// the arguments with one that the key leaves out.
fn check_opaque(target: &Target, said: &Said<'_>, errors: &mut Errors) -> Vec<usize> {
    let mut left_out = Vec::new();
    for (index, (arg, used)) in target.args.iter().zip(said.used).enumerate() {
        if *used != Use::Unused || !types::has_impl_trait(&arg.ty) {
            continue;
        }
        left_out.push(index);
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
    left_out
}

fn is_harmless_opaque(ty: &Type) -> bool {
    match peel_type(ty) {
        Type::Reference(reference) => is_harmless_opaque(&reference.elem),
        Type::ImplTrait(opaque) => opaque
            .bounds
            .iter()
            .all(|bound| is_harmless_bound(bound, &[])),
        _ => false,
    }
}

fn advice(name: &Ident, target: &Target, said: &Said<'_>) -> String {
    let key = key_with(&name.to_string(), target, said);
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

/// The parameters without these, and without the bounds that mention them. What the return type or the
/// option `cache` mentions stays: the companion needs both.
fn without(generics: &Generics, left_out: &[Ident], target: &Target, said: &Said<'_>) -> Generics {
    let in_cache = |name: &Ident| said.cache.is_some_and(|cache| mentions(cache, name));
    let gone: Vec<&Ident> = left_out
        .iter()
        .filter(|name| !mentions(&target.returns, name) && !in_cache(name))
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
