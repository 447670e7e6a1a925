//! What goes on after the caller left: it owns what it uses, and then is the same as here.

use super::{ours, ours_on};
use crate::plan::{Behind, Owned, Plan};
use crate::target::Flow;
use crate::tokens;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// The refresh of a stale value, which nobody waits for.
///
/// ```text
/// let lang: String = ToOwned::to_owned(lang);
/// behind(async move { let lang: &str = Borrow::borrow(&lang); LOAD });
/// ```
pub(super) fn refresh(plan: &Plan, behind: &Behind, load: &TokenStream) -> TokenStream {
    let span = Span::mixed_site();
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
    let span = Span::mixed_site();
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
    let this = Ident::new("__this", span);
    let receiver = plan.target.receiver().map_or(span, ours_on);
    let at_receiver = plan.runtime(receiver);
    own.extend(quote_spanned! {receiver=>
        let #this = #at_receiver::std::clone::Clone::clone(self);
        #at_receiver::owned(&#this);
    });
    lend.extend(quote_spanned!(span=> let #this: &Self = &#this;));
    (own, lend, tokens::rename_self(load.clone(), &this))
}

fn owned(plan: &Plan, arg: &Owned) -> TokenStream {
    match arg {
        Owned::Moved(name, ty) => {
            let span = ours_on(ty);
            let rt = plan.runtime(span);
            quote_spanned!(span=> #rt::owned(&#name);)
        }
        Owned::Copied(name, ty) => {
            let span = ours_on(ty);
            let rt = plan.runtime(span);
            quote_spanned! {span=>
                let #name: <#ty as #rt::std::borrow::ToOwned>::Owned =
                    #rt::std::borrow::ToOwned::to_owned(#name);
                #rt::owned(&#name);
            }
        }
    }
}

fn lent(plan: &Plan, arg: &Owned) -> TokenStream {
    match arg {
        Owned::Moved(..) => TokenStream::new(),
        Owned::Copied(name, ty) => {
            let span = ours(name.span());
            let rt = plan.runtime(span);
            quote_spanned!(span=> let #name: &#ty = #rt::std::borrow::Borrow::<#ty>::borrow(&#name);)
        }
    }
}
