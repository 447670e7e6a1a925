//! The function itself: looks its answer up, and runs the body if there is none.

use super::call::{self, Given};
use super::{behind, ours, ours_on, signature};
use crate::plan::{Companion, Name, Passing, Plan, Setting, Ttl};
use crate::target::Flow;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ReturnType;
use syn::spanned::Spanned;

/// A function with a companion.
///
/// ```text
/// async fn load(id: u64) -> User { BODY }
/// ```
/// becomes
/// ```text
/// async fn load(id: u64) -> User {
///     let __policy = ..;
///     let __slot = { match lookup(load::__call(&id), load::__codec()).await { .. } };
///     let (__kept, __fill) = {
///         let __r: User = __slot.run(Box::pin(load::uncached(id))).await;
///         match __slot.loaded(__policy, __r) { .. }
///     };
///     __fill.await;
///     __kept.join()
/// }
/// ```
pub(super) fn beside_companion(plan: &Plan, companion: &Companion) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let name = &companion.name;
    // In brackets: if something else already has the name, that is one error and not one a use.
    let name = quote_spanned!(span=> <#name>);
    let turbofish = call::turbofish(&plan.target);
    let arguments = plan.target.args.iter().map(|arg| &arg.name);
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
    let body = quote_spanned!(span=> #name::uncached #turbofish (#(#arguments),*));
    let body = match plan.target.flow {
        Flow::Sync => quote_spanned!(span=> move || #body),
        Flow::Async => quote_spanned!(span=> #rt::std::boxed::Box::pin(#body)),
        Flow::Boxed => body,
    };
    let story = story(plan, &call, &codec, [&body, &body]);
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

/// A function that has its body within: nothing may stand beside a method.
///
/// ```text
/// async fn load(&self, id: u64) -> User { BODY }
/// ```
/// becomes the same as above, with the body in place:
/// ```text
/// let __r: User = __slot.run(Box::pin(async move {
///     if false { let __r: User = loop {}; return __r; }
///     BODY
/// })).await;
/// ```
pub(super) fn alone(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let spec = spec(plan);
    let spec = quote_spanned!(span=> { #spec &__SPEC });
    let call = call::call(plan, &spec, Given::Declared);
    let codec = codec(plan);
    let (inner_attrs, statements) = plan.target.body.split();
    let here = inline_body(plan, &statements, &plan.target.sig.output);
    // Behind, nothing can have the lifetimes of the caller's signature.
    let behind = inline_body(plan, &statements, &ReturnType::Default);
    let story = story(plan, &call, &codec, [&here, &behind]);
    let attrs = &plan.target.attrs;
    let vis = &plan.target.vis;
    let sig = signature::with_names(&plan.target);
    quote_spanned!(span=> #(#attrs)* #vis #sig { #inner_attrs #story })
}

fn inline_body(plan: &Plan, statements: &TokenStream, declared: &ReturnType) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let returns = &plan.target.returns;
    let rebind = signature::rebind(&plan.target);
    match plan.target.flow {
        Flow::Sync => quote_spanned!(span=> move || -> #returns { #rebind #statements }),
        Flow::Boxed => quote_spanned!(span=> (move || #declared { #rebind #statements })()),
        // The return that is never reached tells the compiler the type: a wrong value is then
        // reported where it stands, and `?` knows what to convert into.
        Flow::Async => {
            let at_type = ours_on(returns);
            let never = quote_spanned! {at_type=>
                #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::let_unit_value)]
                if false {
                    let __r: #returns = loop {};
                    return __r;
                }
            };
            quote_spanned! {span=>
                #rt::std::boxed::Box::pin(async move { #never #rebind #statements })
            }
        }
    }
}

/// What every call goes through. The body comes twice: to be run here, and to be run when the
/// caller has left.
fn story(
    plan: &Plan,
    call: &TokenStream,
    codec: &TokenStream,
    [here, behind]: [&TokenStream; 2],
) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let policy = policy(plan);
    let early = early_ttl(plan);
    let lookup = match plan.target.flow {
        Flow::Sync => quote_spanned!(span=> #rt::lookup_sync(#call, #codec)),
        Flow::Async | Flow::Boxed => quote_spanned!(span=> #rt::lookup(#call, #codec).await),
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
        let __policy = #policy;
        let __slot = {
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

/// From the body to the fill. The inner block ends before anything is awaited, so that what is not
/// kept does not make the future less `Send` than the user's own.
fn load(plan: &Plan, body: &TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let returns = &plan.target.returns;
    let late = late_ttl(plan);
    let store_if = store_if(plan);
    let (run, fill) = match plan.target.flow {
        Flow::Sync => (
            quote_spanned!(span=> __slot.run_sync(#body)),
            quote_spanned!(span=> __fill.wait()),
        ),
        Flow::Async | Flow::Boxed => (
            quote_spanned!(span=> __slot.run(#body).await),
            quote_spanned!(span=> __fill.await),
        ),
    };
    quote_spanned! {span=>
        let (__kept, __fill) = {
            let __r: #returns = #run;
            #late
            #store_if
            match __slot.loaded(__policy, __r) {
                #rt::Loaded::Pass(__r) => return __r,
                #rt::Loaded::Keep(__kept, __fill) => (__kept, __fill),
            }
        };
        #fill;
        __kept.join()
    }
}

fn early_ttl(plan: &Plan) -> TokenStream {
    let Ttl::Early { expr, bindings } = &plan.ttl else {
        return TokenStream::new();
    };
    let bindings = call::bindings(bindings, Given::Declared);
    let span = ours(expr.span());
    let rt = plan.runtime(span);
    quote_spanned! {span=>
        let __slot = __slot.ttl({ #bindings #rt::IntoTtl::into_ttl(#expr) });
    }
}

fn late_ttl(plan: &Plan) -> TokenStream {
    let Ttl::Late(closure) = &plan.ttl else {
        return TokenStream::new();
    };
    let span = ours(closure.span());
    let rt = plan.runtime(span);
    quote_spanned!(span=> let __slot = __slot.ttl(#rt::ttl_of(__policy, &__r, #closure));)
}

fn store_if(plan: &Plan) -> TokenStream {
    plan.store_if
        .iter()
        .map(|test| {
            let span = ours(test.span());
            let rt = plan.runtime(span);
            quote_spanned!(span=> let __slot = __slot.store_if(#rt::store_if(__policy, &__r, #test));)
        })
        .collect()
}

/// Which part of the return value is kept: found out by the compiler, whatever alias it stands
/// under.
fn policy(plan: &Plan) -> TokenStream {
    let span = ours_on(&plan.target.returns);
    let (imports, policy) = (imports(plan), ask_for_policy(plan));
    quote_spanned!(span=> { #imports #policy })
}

/// The only place that asks anything of the return type, shown at the return type.
pub(super) fn codec(plan: &Plan) -> TokenStream {
    let returns = &plan.target.returns;
    let span = ours_on(returns);
    let rt = plan.runtime(span);
    let (imports, policy) = (imports(plan), ask_for_policy(plan));
    quote_spanned!(span=> { #imports #rt::codec::<_, #returns>(#policy) })
}

fn imports(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    quote_spanned! {span=>
        #[allow(unused_imports)]
        use #rt::{OkFallback as _, SomeFallback as _};
    }
}

fn ask_for_policy(plan: &Plan) -> TokenStream {
    let returns = &plan.target.returns;
    let span = ours_on(returns);
    let rt = plan.runtime(span);
    quote_spanned!(span=> #rt::Probe::<#returns>::new().ok().some())
}

pub(super) fn spec(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    let name = match &plan.name {
        Name::Given(name) => name.to_token_stream(),
        Name::Path(function) => {
            quote_spanned!(span=> #rt::core::concat!(#rt::core::module_path!(), "::", #function))
        }
    };
    let settings = plan.settings.iter().map(|setting| match setting {
        Setting::Version(version) => {
            let span = ours(version.span());
            quote_spanned!(span=> .version({ #version } as u64))
        }
        Setting::Ttl(millis) => quote!(.ttl_millis(#millis)),
        Setting::StoreNone => quote!(.none()),
        Setting::StoreNoneFor(millis) => quote!(.none_millis(#millis)),
        Setting::Jitter(percent) => quote!(.jitter_percent(#percent)),
        Setting::Stale(millis) => quote!(.stale_millis(#millis)),
        Setting::NoLease => quote!(.no_lease()),
        Setting::Lease(millis) => quote!(.lease_millis(#millis)),
        Setting::Follow(millis) => quote!(.follow_millis(#millis)),
    });
    quote_spanned! {span=>
        static __SPEC: #rt::Spec =
            #rt::Spec::new(#name, #rt::core::file!(), #rt::core::line!()) #(#settings)*;
    }
}
