//! The code that makes the key of one call.

use super::{ours, ours_on, user_span};
use crate::literal::peel_type;
use crate::plan::{BindBy, Binding, Call, Home, Param, Part, Plan, Taken};
use crate::types;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, GenericParam, Generics, Type};

/// How the arguments are there where the code stands.
#[derive(Clone, Copy)]
pub(super) enum Given {
    /// As the function has them.
    Declared,
    /// As the companion's users have them: what may stand for an argument does.
    Loosely,
    /// The same by reference.
    Borrowed,
}

/// An expression: the call, told from others by its arguments.
///
/// ```text
/// {
///     let mut __call = Call::generic(SPEC, |__types| __types.add::<T>());
///     __call.key().separate();
///     CacheKey::write(&user_id, __call.key());
///     __call
/// }
/// ```
pub(super) fn call(plan: &Plan, spec: &TokenStream, given: Given) -> TokenStream {
    let span = Span::mixed_site();
    let bindings = bindings(&plan.call.bindings, given);
    let cache = plan.call.cache.iter().map(|cache| own_cache(plan, cache));
    let begin = begin(plan, spec, given);
    let consts = plan
        .call
        .consts
        .iter()
        .map(|name| quote_spanned!(span=> __call.key().constant(&#name);));
    let parts = plan.call.parts.iter().map(|part| write(plan, part, given));
    quote_spanned! {span=>
        {
            #bindings
            #[allow(unused_mut)]
            let mut __call = #begin #(#cache)*;
            #(#consts)*
            #(#parts)*
            __call
        }
    }
}

/// The call without its parts. The answer may depend on the types of the call: a closure adds them to
/// the key, and the closure's own type identifies them.
fn begin(plan: &Plan, spec: &TokenStream, given: Given) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let Call {
        types,
        opaque,
        named,
        left_out,
        left_out_opaque,
        ..
    } = &plan.call;
    let host = match &plan.home {
        Home::Method => Some(quote_spanned!(span=> __types.host::<Self>();)),
        Home::Companion(_) | Home::Alone => None,
    };
    let types = types
        .iter()
        .map(|name| quote_spanned!(span=> __types.add::<#name>();));
    let opaque = opaque.iter().map(|param| {
        let value = reference(param, given);
        quote_spanned!(span=> __types.add_of(#value);)
    });
    let named = named
        .iter()
        .map(|name| quote_spanned!(span=> __types.named::<#name>();));
    // A function of the companion has no parameters but those of the key.
    let is_declared = matches!(given, Given::Declared);
    let left_out = left_out
        .iter()
        .map(|name| quote_spanned!(span=> __types.left_out::<#name>();))
        .filter(|_| is_declared);
    let left_out_opaque = left_out_opaque
        .iter()
        .map(|param| {
            let value = reference(param, given);
            quote_spanned!(span=> __types.left_out_of(#value);)
        })
        .filter(|_| is_declared);
    let is_generic = plan.target.sig.generics.type_params().next().is_some()
        || plan
            .target
            .args
            .iter()
            .any(|arg| types::has_impl_trait(&arg.ty));
    if !is_generic && matches!(plan.home, Home::Companion(_)) {
        return quote_spanned!(span=> #rt::Call::new(#spec));
    }
    let added: TokenStream = host
        .into_iter()
        .chain(types)
        .chain(opaque)
        .chain(named)
        .chain(left_out)
        .chain(left_out_opaque)
        .collect();
    quote_spanned!(span=> #rt::Call::generic(#spec, |__types| { #added }))
}

fn write(plan: &Plan, part: &Part, given: Given) -> TokenStream {
    let here = Span::mixed_site();
    let may_be_nothing = match part {
        Part::Separate | Part::Text(_) | Part::Type(_) => false,
        Part::Whole(param) => !types::is_never_nothing(&param.ty),
        Part::Bound(_) | Part::Field(..) | Part::Value(_) => true,
    };
    let end = may_be_nothing.then(|| quote_spanned!(here=> __call.key().end_part();));
    let written = write_part(plan, part, given);
    quote_spanned!(here=> #written #end)
}

fn write_part(plan: &Plan, part: &Part, given: Given) -> TokenStream {
    let here = Span::mixed_site();
    match part {
        Part::Separate => quote_spanned!(here=> __call.key().separate();),
        Part::Text(text) => quote_spanned!(here=> __call.key().literal(#text);),
        Part::Type(name) => quote_spanned!(here=> __call.type_name::<#name>();),
        Part::Whole(param) => whole(plan, param, given),
        Part::Bound(name) => written(plan, name.span(), name),
        Part::Field(root, fields) => {
            let span = ours(root.span());
            let place = quote_spanned!(span=> &#root #(.#fields)*);
            written(plan, root.span(), &place)
        }
        Part::Value(value) => {
            let span = ours_on(value);
            written(plan, user_span(value), &quote_spanned!(span=> &(#value)))
        }
    }
}

/// An argument, by the type that it was declared with: a type that is no key is then reported where
/// the user wrote it.
fn whole(plan: &Plan, param: &Param, given: Given) -> TokenStream {
    let value = reference(param, given);
    let ty = match peel_type(&param.ty) {
        Type::Reference(reference) => &*reference.elem,
        _ => &param.ty,
    };
    if let (Taken::Loosely, Given::Loosely | Given::Borrowed) = (param.taken, given) {
        let span = ours_on(ty);
        let rt = plan.runtime(span);
        return quote_spanned!(span=> #rt::KeyArg::<#ty>::write(#value, __call.key()););
    }
    if types::has_impl_trait(ty) {
        return written(plan, user_span(ty), &value);
    }
    write_as(plan, ty, &value)
}

/// Something without a declared type: the compiler finds it, and shows `user` if it is no key.
fn written(plan: &Plan, user: Span, value: &impl ToTokens) -> TokenStream {
    write_as(plan, &quote_spanned!(user=> _), value)
}

fn write_as(plan: &Plan, ty: &impl ToTokens, value: &impl ToTokens) -> TokenStream {
    let span = ours_on(ty);
    let rt = plan.runtime(span);
    quote_spanned!(span=> <#ty as #rt::CacheKey>::write(#value, __call.key());)
}

/// As the field of a struct: there it is coerced as an argument would be, and if it cannot be, no
/// function of ours is shown.
fn own_cache(plan: &Plan, cache: &Expr) -> TokenStream {
    let span = ours_on(cache);
    let rt = plan.runtime(span);
    quote_spanned! {span=>
        .with_cache(#rt::core::ops::RangeFrom::<&#rt::Cache> { start: #cache }.start)
    }
}

pub(super) fn bindings(bindings: &[Binding], given: Given) -> TokenStream {
    bindings
        .iter()
        .map(|binding| {
            let span = Span::mixed_site();
            let pat = &binding.pat;
            let value = match binding.by {
                BindBy::Reference => reference(&binding.arg, given),
                BindBy::RefBindings => place(&binding.arg, given),
            };
            quote_spanned! {span=>
                #[allow(unused_variables, clippy::needless_borrowed_reference)]
                let #pat = #value;
            }
        })
        .collect()
}

/// The argument by reference.
pub(super) fn reference(param: &Param, given: Given) -> TokenStream {
    let name = &param.name;
    let span = ours(name.span());
    match (param.taken, given) {
        (Taken::Loosely | Taken::AsDeclared, Given::Declared | Given::Loosely) => {
            quote_spanned!(span=> &#name)
        }
        _ => name.to_token_stream(),
    }
}

/// The argument itself, without moving it.
fn place(param: &Param, given: Given) -> TokenStream {
    let name = &param.name;
    let span = ours(name.span());
    match (param.taken, given) {
        (Taken::Loosely | Taken::AsDeclared, Given::Borrowed) => quote_spanned!(span=> *#name),
        _ => name.to_token_stream(),
    }
}

/// `::<T, N>`: what the compiler cannot find out from arguments alone.
pub(super) fn turbofish(generics: &Generics) -> TokenStream {
    let mut names = generics
        .params
        .iter()
        .filter(|param| !matches!(param, GenericParam::Lifetime(_)))
        .map(types::argument)
        .peekable();
    match names.peek() {
        Some(_) => quote_spanned!(Span::mixed_site()=> ::<#(#names),*>),
        None => TokenStream::new(),
    }
}
