//! Variations of the user's signature.

use super::{ours, user_span};
use crate::plan::{Companion, Param, Plan, Taken};
use crate::target::{Arg, Shape, Target};
use crate::{tokens, types};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Generics, Meta, Pat, Signature, Type, WherePredicate};

const LINTS: &[&str] = &["allow", "warn", "deny", "forbid", "expect"];

/// The signature with names for patterns.
pub(super) fn with_names(target: &Target) -> Signature {
    with_arguments(target, |arg| {
        let mut attrs = arg.attrs.clone();
        attrs.iter_mut().for_each(allow_what_is_expected);
        (attrs, arg.name.to_token_stream())
    })
}

/// The signature with the user's patterns, and with no attributes but lints.
pub(super) fn with_patterns(target: &Target) -> Signature {
    with_arguments(target, |arg| {
        let attrs = lints(&arg.attrs).cloned().collect();
        (attrs, arg.pat.to_token_stream())
    })
}

/// The signature with names that do not hide the function itself.
pub(super) fn with_visible_function(target: &Target) -> (Signature, Vec<Ident>) {
    let names: Vec<Ident> = target
        .args
        .iter()
        .enumerate()
        .map(|(index, arg)| {
            if arg.name == target.sig.ident {
                format_ident!("__arg{index}", span = Span::mixed_site())
            } else {
                arg.name.clone()
            }
        })
        .collect();
    let mut rest = names.iter();
    let sig = with_arguments(target, |_| (Vec::new(), rest.next().into_token_stream()));
    (sig, names)
}

fn with_arguments(
    target: &Target,
    mut change: impl FnMut(&Arg) -> (Vec<Attribute>, TokenStream),
) -> Signature {
    let mut sig = target.sig.clone();
    let mut args = target.args.iter();
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input
            && let Some(arg) = args.next()
        {
            let (attrs, pat) = change(arg);
            typed.attrs = attrs;
            *typed.pat = Pat::Verbatim(pat);
        }
    }
    sig
}

/// `let PATTERN = name;` for arguments that the body has under something else than their name.
pub(super) fn rebind(target: &Target) -> TokenStream {
    target
        .args
        .iter()
        .filter(|arg| matches!(arg.shape, Shape::Mutable | Shape::Pattern))
        .map(|arg| {
            let attrs = lints(&arg.attrs);
            let (pat, name) = (&arg.pat, &arg.name);
            quote_spanned!(Span::mixed_site()=> #(#attrs)* let #pat = #name;)
        })
        .collect()
}

pub(super) fn lints(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs
        .iter()
        .filter(|attr| LINTS.iter().any(|lint| attr.path().is_ident(lint)))
}

/// An expectation is met where the user's code is; everywhere else nothing may come of it.
pub(super) fn allow_what_is_expected(attr: &mut Attribute) {
    if let Meta::List(list) = &mut attr.meta
        && list.path.is_ident("expect")
    {
        list.path = syn::parse_quote!(allow);
    }
}

/// What a companion function takes for an argument.
fn taken(plan: &Plan, param: &Param) -> TokenStream {
    let ty = &param.ty;
    match param.taken {
        Taken::Loosely => {
            // The compiler quotes the bound to whoever calls the companion with something else.
            let span = user_span(ty);
            let rt = plan.runtime(span);
            quote_spanned!(span=> impl #rt::KeyArg<#ty>)
        }
        Taken::ByReference | Taken::AsDeclared => ty.to_token_stream(),
    }
}

/// The parameters of a companion function.
pub(super) fn params(plan: &Plan, params: &[Param]) -> TokenStream {
    let taken = params.iter().map(|param| {
        let name = &param.name;
        let taken = taken(plan, param);
        quote_spanned!(Span::mixed_site()=> #name: #taken,)
    });
    taken.collect()
}

/// The same, by reference.
pub(super) fn borrowed_params(plan: &Plan, params: &[Param]) -> TokenStream {
    let taken = params.iter().map(|param| {
        let name = &param.name;
        let taken = taken(plan, param);
        let span = Span::mixed_site();
        match param.taken {
            Taken::ByReference => quote_spanned!(span=> #name: #taken,),
            Taken::AsDeclared if matches!(param.ty, Type::ImplTrait(_)) => {
                quote_spanned!(span=> #name: &(#taken),)
            }
            Taken::Loosely | Taken::AsDeclared => quote_spanned!(span=> #name: &#taken,),
        }
    });
    taken.collect()
}

/// The parameters with an iterator in place of one of them. Its items need a lifetime that has
/// a name.
pub(super) fn many_params(
    plan: &Plan,
    companion: &Companion,
    by: usize,
) -> (TokenStream, TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let mut generics = companion.generics.clone();
    let mut param = companion.params[by].clone();
    if types::has_elided_lifetime(&param.ty) {
        let lifetime = syn::Lifetime::new("'__item", span);
        types::name_lifetimes(&mut param.ty, &lifetime);
        // What is borrowed for so long lives so long.
        let ty = param.ty.to_token_stream();
        let borrowed: Vec<Ident> = generics
            .type_params()
            .map(|of| of.ident.clone())
            .filter(|name| tokens::mention(ty.clone(), &name.unraw().to_string()))
            .collect();
        let bounds = &mut generics.make_where_clause().predicates;
        bounds.extend(
            borrowed
                .iter()
                .map(|name| -> WherePredicate { syn::parse_quote!(#name: #lifetime) }),
        );
        generics.params.insert(0, syn::parse_quote!(#lifetime));
    }
    let item = taken(plan, &param);
    param.ty =
        Type::Verbatim(quote_spanned!(span=> impl #rt::core::iter::IntoIterator<Item = #item>));
    param.taken = Taken::AsDeclared;
    let mut params = companion.params.clone();
    params[by] = param;
    let (generics, bounds) = self::generics(&generics);
    (generics, bounds, self::params(plan, &params))
}

pub(super) fn generics(generics: &Generics) -> (TokenStream, TokenStream) {
    let (params, _, bounds) = generics.split_for_impl();
    (params.into_token_stream(), bounds.into_token_stream())
}

/// Shown at the name of the function, which is where an editor should go.
pub(super) fn verb_name(target: &Target, name: &str) -> Ident {
    Ident::new(name, ours(target.sig.ident.span()))
}
