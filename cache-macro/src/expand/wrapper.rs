//! The function itself: looks its answer up, and runs the body if there is none.

use super::call::{self, Given};
use super::facts::policy;
use super::{behind, ours, ours_on, signature, user_span};
use crate::plan::{Companion, Passing, Plan, StoreIf, Ttl};
use crate::target::Flow;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Type};

/// A function with a companion.
///
/// ```text
/// async fn load(id: u64) -> User { BODY }
/// ```
/// becomes
/// ```text
/// async fn load(id: u64) -> User {
///     answer(POLICY, load::__call(&id), looking, load::__codec(), load::uncached, (id,)).await
/// }
/// ```
/// with the option `near` after
/// ```text
///     let (__call, __codec) = match at_hand(load::__call(&id), load::__codec()) {
///         Break(__r) => return __r,
///         Continue(__rest) => __rest,
///     };
/// ```
/// and, where an option has to do something before the body or after it,
/// ```text
/// async fn load(id: u64) -> User {
///     let __policy = ..;
///     let __slot = { match lookup(load::__call(&id), looking, load::__codec()).await { .. } };
///     __slot.load(__policy, Box::pin(load::uncached(id)), as_it_is).await
/// }
/// ```
pub(super) fn beside_companion(plan: &Plan, companion: &Companion) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let name = &companion.name;
    // In brackets: if something else already has the name, that is one error and not one a use.
    let name = quote_spanned!(span=> <#name>);
    let turbofish = call::turbofish(&companion.generics);
    let all = call::turbofish(&plan.target.sig.generics);
    let arguments: Vec<&Ident> = plan.target.args.iter().map(|arg| &arg.name).collect();
    let spec = quote_spanned!(span=> #name::__spec());
    let call = match companion.passing {
        Passing::Owned | Passing::Borrowed => call::call(plan, &spec, Given::Declared),
        Passing::Shared => {
            let arguments = companion
                .params
                .iter()
                .map(|param| call::reference(param, Given::Declared));
            quote_spanned!(span=> #name::__call #turbofish (#(#arguments),*))
        }
    };
    let codec = quote_spanned!(span=> #name::__codec #turbofish ());
    let uncached = quote_spanned!(span=> #name::uncached #all);
    let story = if is_one_call(plan) {
        let policy = policy(plan);
        let (at_hand, call, codec) = at_hand(plan, call, codec);
        quote_spanned! {span=>
            #at_hand
            #rt::answer(#policy, #call, #rt::looking, #codec, #uncached, (#(#arguments,)*)).await
        }
    } else {
        let body = quote_spanned!(span=> #uncached(#(#arguments),*));
        let body = match plan.target.flow {
            Flow::Sync => quote_spanned!(span=> move || #body),
            Flow::Async => quote_spanned!(span=> #rt::std::boxed::Box::pin(#body)),
            Flow::Boxed => body,
        };
        story(plan, &call, &codec, [&body, &body])
    };
    let mut attrs = plan.target.attrs.clone();
    attrs.iter_mut().for_each(signature::allow_what_is_expected);
    let vis = &plan.target.vis;
    let sig = signature::with_names(&plan.target);
    quote_spanned! {span=>
        #(#attrs)*
        #[allow(single_use_lifetimes, clippy::used_underscore_binding)]
        #vis #sig { #story }
    }
}

/// Whether the runtime can do all of it, which is the least to compile.
fn is_one_call(plan: &Plan) -> bool {
    // For so many arguments the runtime has it.
    const MOST_ARGUMENTS: usize = 8;
    matches!(plan.target.flow, Flow::Async)
        && matches!(plan.ttl, Ttl::Settled)
        && plan.store_if.is_none()
        && plan.behind.is_none()
        && plan.target.args.len() <= MOST_ARGUMENTS
}

/// What every call goes through. The body comes twice: to be run here, and to be run when the
/// caller has left.
pub(super) fn story(
    plan: &Plan,
    call: &TokenStream,
    codec: &TokenStream,
    [here, behind]: [&TokenStream; 2],
) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    // A sync function without a say of the value has no use for one.
    let policy = match plan.target.flow {
        Flow::Sync if !decides(plan) => TokenStream::new(),
        Flow::Sync | Flow::Async | Flow::Boxed => {
            let policy = policy(plan);
            quote_spanned!(span=> let __policy = #policy;)
        }
    };
    let early = early_ttl(plan);
    let (at_hand, call, codec) = at_hand(plan, call.clone(), codec.clone());
    let lookup = match plan.target.flow {
        Flow::Sync => quote_spanned!(span=> #rt::lookup_sync(#call, #codec)),
        Flow::Async | Flow::Boxed => {
            quote_spanned!(span=> #rt::lookup(#call, #rt::looking, #codec).await)
        }
    };
    let answers = match &plan.behind {
        Some(plan_behind) if plan_behind.stale => {
            let refresh = behind::refresh(plan, plan_behind, &load(plan, behind));
            quote_spanned! {span=>
                #rt::Step::Done(__r) => return __r,
                #rt::Step::Stale(__r, __slot) => {
                    #early
                    #refresh
                    return __r;
                }
            }
        }
        _ => quote_spanned!(span=> #rt::Step::Done(__r) | #rt::Step::Stale(__r, _) => return __r,),
    };
    let load = match &plan.behind {
        Some(plan_behind) if plan_behind.detach => {
            behind::detached(plan, plan_behind, &load(plan, behind))
        }
        _ => load(plan, here),
    };
    let story = quote_spanned! {span=>
        #policy
        let __slot = {
            #at_hand
            let __step = #lookup;
            match __step {
                #answers
                #rt::Step::Load(__slot) => __slot,
            }
        };
        #early
        #load
    };
    match plan.target.flow {
        Flow::Boxed => quote_spanned!(span=> #rt::std::boxed::Box::pin(async move { #story })),
        Flow::Sync | Flow::Async => story,
    }
}

/// What answers with a copy in the process, before anything is made that could wait; and what the call and the
/// codec are called afterwards. A sync lookup makes nothing of that kind, and asks for the copy itself.
fn at_hand(
    plan: &Plan,
    call: TokenStream,
    codec: TokenStream,
) -> (TokenStream, TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    if !plan.near || matches!(plan.target.flow, Flow::Sync) {
        return (TokenStream::new(), call, codec);
    }
    let at_hand = quote_spanned! {span=>
        let (__call, __codec) = match #rt::at_hand(#call, #codec) {
            #rt::core::ops::ControlFlow::Break(__r) => return __r,
            #rt::core::ops::ControlFlow::Continue(__rest) => __rest,
        };
    };
    let [call, codec] = [
        quote_spanned!(span=> __call),
        quote_spanned!(span=> __codec),
    ];
    (at_hand, call, codec)
}

/// From the body to the fill.
fn load(plan: &Plan, body: &TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let decide = decide(plan);
    match plan.target.flow {
        Flow::Sync => quote_spanned!(span=> __slot.load_sync(#body, #decide)),
        Flow::Async | Flow::Boxed => {
            quote_spanned!(span=> __slot.load(__policy, #body, #decide).await)
        }
    }
}

/// What the options have to say about what the body returned.
fn decide(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    if !decides(plan) {
        return quote_spanned!(span=> #rt::as_it_is);
    }
    let late = late_ttl(plan);
    let store_if = store_if(plan);
    quote_spanned! {span=>
        |__slot, __r| {
            #late
            #store_if
            __slot
        }
    }
}

/// Whether the value has a say in how it is stored.
fn decides(plan: &Plan) -> bool {
    matches!(plan.ttl, Ttl::Late { .. }) || plan.store_if.is_some()
}

fn early_ttl(plan: &Plan) -> TokenStream {
    let Ttl::Early { expr, bindings } = &plan.ttl else {
        return TokenStream::new();
    };
    let bindings = call::bindings(bindings, Given::Declared);
    let ttl = into_ttl(plan, expr);
    quote_spanned!(Span::mixed_site()=> let __slot = __slot.ttl({ #bindings #ttl });)
}

/// The one thing that is asked of a `ttl`, shown at it.
pub(super) fn into_ttl(plan: &Plan, ttl: &impl ToTokens) -> TokenStream {
    let span = ours_on(ttl);
    let rt = plan.runtime(span);
    let asked = quote_spanned!(user_span(ttl)=> _);
    quote_spanned!(span=> <#asked as #rt::IntoTtl>::into_ttl(#ttl))
}

fn late_ttl(plan: &Plan) -> TokenStream {
    let Ttl::Late { closure, value } = &plan.ttl else {
        return TokenStream::new();
    };
    let span = ours_on(closure);
    let rt = plan.runtime(span);
    let (shown, called) = shown(closure, value);
    let ttl = into_ttl(plan, &called);
    quote_spanned! {span=>
        let __slot = __slot.ttl(#rt::ttl_of(__policy, __r, |__value| { #shown #ttl }));
    }
}

fn store_if(plan: &Plan) -> TokenStream {
    let Some(
        StoreIf::Closure { closure: test, .. } | StoreIf::Function(test) | StoreIf::Other(test),
    ) = &plan.store_if
    else {
        return TokenStream::new();
    };
    let span = ours_on(test);
    let rt = plan.runtime(span);
    let test = match &plan.store_if {
        Some(StoreIf::Closure { closure, value }) => {
            let (shown, called) = shown(closure, value);
            quote_spanned!(span=> |__value| { #shown #called })
        }
        // Beside a function of the right type, it is coerced to that type or said to be of another.
        Some(StoreIf::Function(path)) => {
            let returns = &plan.target.returns;
            let any = quote_spanned!(span=> #rt::Policy::<#returns>::any(__policy));
            quote_spanned!(span=> { let [_, __test] = [#any, #path]; __test })
        }
        _ => test.to_token_stream(),
    };
    quote_spanned!(span=> let __slot = __slot.store_if(#rt::store_if(__policy, __r, #test));)
}

/// What shows a closure the value, and the call of it. The value goes by the type that the closure
/// has it by: if it is of another, that is said there, in the fewest words the compiler has.
fn shown(closure: &Expr, value: &Type) -> (TokenStream, TokenStream) {
    let user = user_span(value);
    let span = ours(user);
    let of_the_type = Ident::new("__shown", user);
    let shown = quote_spanned! {span=>
        let #of_the_type = __value;
        let __value: &#value = #of_the_type;
    };
    let value = Ident::new("__value", span);
    let called = quote_spanned!(ours_on(closure)=> (#closure)(#value));
    (shown, called)
}
