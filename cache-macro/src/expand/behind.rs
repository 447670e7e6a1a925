//! What goes on after the caller left: it owns what it uses, and then is the same as here.

use super::{ours, user_span};
use crate::plan::{Behind, Owned, Plan};
use crate::target::Flow;
use crate::{tokens, types};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Type;

/// The refresh of a stale value, which nobody waits for.
///
/// ```text
/// let lang: String = ToOwned::to_owned(lang);
/// behind(async move { let lang: &str = Borrow::borrow(&lang); LOAD });
/// ```
pub(super) fn refresh(plan: &Plan, behind: &Behind, load: &TokenStream) -> TokenStream {
    let span = ours(behind.option.span());
    let rt = plan.runtime(span);
    let returns = &plan.target.returns;
    let (own, lend, load) = owning(plan, behind, load);
    match plan.target.flow {
        Flow::Sync => quote_spanned! {span=>
            #own
            #rt::behind_sync(move || -> #returns { #lend #load });
        },
        Flow::Async | Flow::Boxed => quote_spanned! {span=>
            #own
            #rt::behind(async move { #lend #load });
        },
    }
}

/// A load that goes on when its caller leaves.
pub(super) fn detached(plan: &Plan, behind: &Behind, load: &TokenStream) -> TokenStream {
    let span = ours(behind.option.span());
    let rt = plan.runtime(span);
    let (own, lend, load) = owning(plan, behind, load);
    quote_spanned! {span=>
        #own
        #rt::detached(async move { #lend #load }).await
    }
}

/// What makes the arguments owned, what lends them again in there as the function has them, and the
/// load with the name that `self` has in there.
fn owning(
    plan: &Plan,
    behind: &Behind,
    load: &TokenStream,
) -> (TokenStream, TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let mut own: TokenStream = behind.owned.iter().map(|arg| owned(plan, arg)).collect();
    let mut lend: TokenStream = behind.owned.iter().map(|arg| lent(plan, arg)).collect();
    if !behind.clones_self {
        return (own, lend, load.clone());
    }
    let receiver = plan
        .target
        .receiver()
        .map_or(span, |receiver| receiver.self_token.span);
    let this = Ident::new("__this", receiver);
    own.extend(clone_of_self(plan, &this, receiver));
    lend.extend(quote_spanned!(span=> let #this: &Self = &#this;));
    (own, lend, tokens::rename_self(load.clone(), &this))
}

/// The tokens that ask something of `Self` have the span of the user's `self`: what is missing is
/// then said there.
fn clone_of_self(plan: &Plan, this: &Ident, receiver: Span) -> TokenStream {
    let span = ours(receiver);
    let rt = plan.runtime(span);
    let (this_self, this_type) = (Ident::new("self", receiver), Ident::new("Self", receiver));
    quote_spanned! {span=>
        let #this = <#this_type as #rt::core::clone::Clone>::clone(#this_self);
        <#this_type as #rt::Owned>::owned(&#this);
    }
}

/// What is asked of an argument is asked with the span of its type, and so told there.
fn owned(plan: &Plan, arg: &Owned) -> TokenStream {
    let (Owned::Moved(name, ty) | Owned::Copied(name, ty)) = arg;
    let user = user_span(ty);
    let span = ours(user);
    let rt = plan.runtime(user);
    let mut shown = name.clone();
    shown.set_span(name.span().located_at(user));
    let asked = quote_spanned!(user=> <_ as #rt::Owned>::owned(&#shown));
    match arg {
        Owned::Moved(..) => quote_spanned!(span=> #asked;),
        Owned::Copied(..) => {
            let ty = nameable(ty);
            let copy = quote_spanned!(user=> <#ty as #rt::std::borrow::ToOwned>::to_owned(#shown));
            quote_spanned!(span=> let #name = #copy; #asked;)
        }
    }
}

fn lent(plan: &Plan, arg: &Owned) -> TokenStream {
    match arg {
        Owned::Moved(..) => TokenStream::new(),
        Owned::Copied(name, ty) => {
            let span = ours(name.span());
            let rt = plan.runtime(span);
            let ty = nameable(ty);
            quote_spanned!(span=> let #name: &#ty = #rt::std::borrow::Borrow::<#ty>::borrow(&#name);)
        }
    }
}

/// `impl Trait` is no type that could be named where it is not declared.
fn nameable(ty: &Type) -> TokenStream {
    if types::has_impl_trait(ty) {
        quote_spanned!(user_span(ty)=> _)
    } else {
        ty.to_token_stream()
    }
}
