//! What stands beside the function: a type of the same name, whose functions reach its cache.

use super::call::{self, Given};
use super::verbs::Verbs;
use super::{facts, ours_on, signature};
use crate::plan::{Companion, Passing, Plan};
use crate::target::Body;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Attribute;

/// ```text
/// pub struct load {}
/// impl load {
///     pub fn key(id: impl KeyArg<u64>) -> String { .. }
///     pub fn invalidate(id: impl KeyArg<u64>) -> Op<Invalidated> { .. }
///     ..
/// }
/// impl load {
///     pub async fn uncached(id: u64) -> User { BODY }
/// }
/// ```
pub(super) fn companion(plan: &Plan, companion: &Companion) -> TokenStream {
    let span = Span::mixed_site();
    let verbs = Verbs::new(plan, companion);
    let vis = &plan.target.vis;
    let name = &companion.name;
    let shared: Vec<&Attribute> = plan
        .target
        .attrs
        .iter()
        .filter(|attr| is_shared(attr))
        .collect();
    let cfgs: Vec<&Attribute> = plan
        .target
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .collect();
    let function = plan.target.sig.ident.to_string();
    let docs = format!(" The cache of [`{function}`](fn@{function}).");
    let internals = internals(plan, companion);
    let key = verbs.key();
    let invalidate = verbs.invalidate();
    let peek = verbs.peek();
    let peek_many = verbs.peek_many();
    let put = verbs.put();
    let refresh = verbs.refresh();
    let uncached = uncached(plan);
    let quiet = quiet();
    // Shown as the user's, at the name of his function: if something else has the name already, that
    // is what he has to see.
    let declared = quote_spanned!(name.span()=> #vis struct #name {});
    quote_spanned! {span=>
        #(#shared)*
        #[doc = #docs]
        #[allow(
            dead_code,
            missing_copy_implementations,
            missing_debug_implementations,
            non_camel_case_types
        )]
        #declared
        #(#cfgs)*
        #quiet
        impl #name { #internals #key #invalidate #peek #peek_many #put #refresh }
        // The user's body: lints apply here as they would without us.
        #(#cfgs)*
        impl #name { #uncached }
    }
}

/// Attributes that say whether the function is there, for the compiler and for readers.
fn is_shared(attr: &Attribute) -> bool {
    let is_hidden = attr.path().is_ident("doc")
        && matches!(&attr.meta, syn::Meta::List(list) if list.tokens.to_string() == "hidden");
    attr.path().is_ident("cfg") || is_hidden
}

/// The lints that generated code meets, and no user can do anything about.
fn quiet() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            deprecated,
            non_camel_case_types,
            non_snake_case,
            non_upper_case_globals,
            single_use_lifetimes,
            unreachable_pub,
            unused_lifetimes,
            clippy::extra_unused_lifetimes,
            clippy::extra_unused_type_parameters,
            clippy::future_not_send,
            clippy::missing_const_for_fn,
            clippy::missing_errors_doc,
            clippy::missing_panics_doc,
            clippy::multiple_bound_locations,
            clippy::must_use_candidate,
            clippy::needless_pass_by_value,
            clippy::ref_option_ref,
            clippy::too_many_arguments,
            clippy::type_complexity,
            clippy::used_underscore_binding
        )]
    }
}

/// What the function itself shares with its companion.
fn internals(plan: &Plan, companion: &Companion) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let (vis, returns) = (&plan.target.vis, &plan.target.returns);
    let (params, bounds) = signature::generics(&companion.generics);
    let spec = facts::spec(plan);
    let codec = facts::codec(plan);
    let (given, taken) = match companion.passing {
        Passing::Owned => (Given::Loosely, signature::params(plan, &companion.params)),
        Passing::Shared | Passing::Borrowed => (
            Given::Borrowed,
            signature::borrowed_params(plan, &companion.params),
        ),
    };
    let call = call::call(plan, &quote_spanned!(span=> Self::__spec()), given);
    let at_return = ours_on(returns);
    let codec_type = {
        let rt = plan.runtime(at_return);
        quote_spanned!(at_return=> #rt::Codec<#returns>)
    };
    quote_spanned! {span=>
        #[doc(hidden)]
        #vis fn __spec() -> &'static #rt::Spec { #spec &__SPEC }
        #[doc(hidden)]
        #vis fn __codec #params () -> #codec_type #bounds #codec
        #[doc(hidden)]
        #vis fn __call #params (#taken) -> #rt::Call #bounds #call
    }
}

fn uncached(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let target = &plan.target;
    let lints = signature::lints(&target.attrs);
    let vis = &target.vis;
    let mut sig = signature::with_patterns(target);
    sig.ident = signature::verb_name(target, "uncached");
    let (Body::Block(body) | Body::Missing(body)) = &target.body;
    quote_spanned! {span=>
        /// The function itself, without the cache.
        #[allow(
            clippy::missing_const_for_fn,
            clippy::missing_errors_doc,
            clippy::missing_panics_doc,
            clippy::must_use_candidate
        )]
        #(#lints)*
        #vis #sig #body
    }
}
