//! The function with its body within.

use super::call::{self, Given};
use super::facts::{codec, spec};
use super::wrapper::story;
use super::{ours_on, signature, user_span};
use crate::plan::Plan;
use crate::target::Flow;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Lifetime, ReturnType, Type};

/// A function that has its body within: nothing may stand beside a method.
///
/// ```text
/// async fn load(&self, id: u64) -> User { BODY }
/// ```
/// becomes the same as above, with the body in place:
/// ```text
/// __slot.load(__policy, Box::pin(async move {
///     if false { let never: User = loop {}; return never; }
///     '_body: { BODY }
/// }), as_it_is).await
/// ```
pub(super) fn alone(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let spec = spec(plan);
    let spec = quote_spanned!(span=> { #spec &__SPEC });
    let call = call::call(plan, &spec, Given::Declared);
    let codec = codec(plan);
    let (inner_attrs, block) = plan.target.body.split();
    let here = inline_body(plan, &block, &plan.target.sig.output);
    // Behind, nothing can have the lifetimes of the caller's signature.
    let behind = inline_body(plan, &block, &ReturnType::Default);
    let story = story(plan, &call, &codec, [&here, &behind]);
    let attrs = &plan.target.attrs;
    let vis = &plan.target.vis;
    let sig = signature::with_names(&plan.target);
    quote_spanned!(span=> #(#attrs)* #vis #sig { #inner_attrs #story })
}

fn inline_body(plan: &Plan, block: &TokenTree, declared: &ReturnType) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let returns = &plan.target.returns;
    let rebind = signature::rebind(&plan.target);
    // The block stays the user's: what he has not finished typing is reported once, at its bracket.
    // With a label, so that nobody takes its brackets for unused ones.
    let label = Lifetime::new("'_body", block.span());
    let after = |before: &TokenStream| quote_spanned!(span=> { #before #rebind #label: #block });
    let body = if rebind.is_empty() {
        block.to_token_stream()
    } else {
        after(&TokenStream::new())
    };
    match plan.target.flow {
        Flow::Sync => quote_spanned!(span=> move || -> #returns #body),
        Flow::Boxed => quote_spanned!(span=> (move || #declared #body)()),
        Flow::Async => {
            let body = after(&never(returns));
            quote_spanned!(span=> #rt::std::boxed::Box::pin(async move #body))
        }
    }
}

/// The return that is never reached tells the compiler the type of an async block: a wrong value is
/// then reported where it stands, and `?` knows what to convert into.
fn never(returns: &Type) -> TokenStream {
    let never = Ident::new("never", user_span(returns));
    quote_spanned! {ours_on(returns)=>
        #[allow(
            unreachable_code,
            unused_variables,
            clippy::diverging_sub_expression,
            clippy::let_unit_value
        )]
        if false {
            let #never: #returns = loop {};
            return #never;
        }
    }
}
