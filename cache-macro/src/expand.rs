//! Makes the code. Whatever arrives here can be expanded.

use crate::args::Args;
use crate::check::check;
use crate::error::Errors;
use crate::plan::{Home, Plan};
use crate::target::Target;
use crate::tokens;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

mod behind;
mod call;
mod companion;
mod facts;
mod inline;
mod signature;
mod verbs;
mod wrapper;

/// The function with its cache; after a mistake the function as it was, so that nothing else about
/// it is reported.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let hash = tokens::hash([&options, &item]);
    let args = Args::parse(options, &mut errors);
    let target = errors.note(Target::parse(&item));
    if let Some(plan) = target.and_then(|target| check(args, target, hash, &mut errors)) {
        return expand(&plan);
    }
    let mut output = item;
    output.extend(errors.to_compile_errors());
    output
}

fn expand(plan: &Plan) -> TokenStream {
    match &plan.home {
        Home::Companion(companion) => {
            let wrapper = wrapper::beside_companion(plan, companion);
            let companion = companion::companion(plan, companion);
            quote!(#wrapper #companion)
        }
        Home::Method | Home::Alone => inline::alone(plan),
    }
}

/// Tokens of ours that are shown as the user's: an error is reported where he can mend it, lints
/// know that it is not his code, and no name of ours can meet one of his.
fn ours(user: Span) -> Span {
    Span::mixed_site().located_at(user)
}

/// Tokens of ours that are shown where something of the user's begins.
fn ours_on(user: &impl ToTokens) -> Span {
    ours(user_span(user))
}

/// Where something of the user's begins. An error about a token that has this very span is told as
/// one in the user's own code, without a word about the attribute.
fn user_span(user: &impl ToTokens) -> Span {
    let first = user.to_token_stream().into_iter().next();
    first.map_or_else(Span::mixed_site, |token| token.span())
}

impl Plan {
    /// What the runtime has for expansions, shown at `span`.
    fn runtime(&self, span: Span) -> TokenStream {
        let krate = self.krate(span);
        quote::quote_spanned!(span=> #krate::__private)
    }

    /// What the runtime has for everybody.
    fn krate(&self, span: Span) -> TokenStream {
        located(&self.krate, span)
    }
}

/// The path keeps what it means and is shown elsewhere. What begins it means nothing by itself, and
/// decides whether all of it is shown as the user's own.
fn located(path: &Path, span: Span) -> TokenStream {
    path.to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(match token {
                TokenTree::Punct(_) => span,
                _ => token.span().located_at(span),
            });
            token
        })
        .collect()
}
