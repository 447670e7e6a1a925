//! What the runtime is told of a function, wherever it is called from: its static, and how the value that it
//! returns is kept.

use super::{ours, ours_on, user_span};
use crate::plan::{Home, Name, Plan, Setting};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

/// Which part of the return value is kept: found out by the compiler, whatever alias it stands
/// under.
pub(super) fn policy(plan: &Plan) -> TokenStream {
    let span = ours_on(&plan.target.returns);
    let (imports, policy) = (imports(plan), ask_for_policy(plan));
    quote_spanned!(span=> { #imports #policy })
}

/// The only place that asks anything of the return type, shown at the return type.
pub(super) fn codec(plan: &Plan) -> TokenStream {
    let returns = &plan.target.returns;
    let span = ours_on(returns);
    let (krate, rt) = (plan.krate(span), plan.runtime(span));
    let asked = quote_spanned!(user_span(returns)=> _);
    let (imports, policy) = (imports(plan), ask_for_policy(plan));
    let rule = quote_spanned!(span=> __rule);
    let kept = match plan.cache_unit {
        true => rule.clone(),
        false => quote_spanned!(span=> <#asked as #rt::Answers>::answers(#rule.holding())),
    };
    let comparison = comparison(plan, &rule);
    let codec = quote_spanned! {span=>
        <#asked as #krate::Cacheable>::codec::<#returns, _, _>(#kept, #comparison)
    };
    let codec = match plan.near {
        false => codec,
        true => quote_spanned! {span=>
            {
                #[allow(unused_imports)]
                use #rt::ClonedFallback as _;
                <#asked as #rt::NearValue>::near(#rule, #rule.cloned(), #codec)
            }
        },
    };
    let more = imports_of_values(plan);
    quote_spanned!(span=> { #imports #more let #rule = #policy; #codec })
}

/// How a value that `put` takes is compared, as far as the signature shows its type.
pub(super) fn comparison_of_put(plan: &Plan, value: &Type) -> TokenStream {
    let span = ours_on(value);
    let rt = plan.runtime(span);
    let imports = imports_of_values(plan);
    let rule = quote_spanned!(span=> #rt::Probe::<#value>::new().whole());
    let comparison = comparison(plan, &rule);
    quote_spanned!(span=> { #imports #comparison })
}

/// How a value and what is read back of it are compared: found out by the compiler, by what the type
/// has.
fn comparison(plan: &Plan, rule: &TokenStream) -> TokenStream {
    let span = ours_on(&plan.target.returns);
    let rt = plan.runtime(span);
    match plan.lossy {
        true => quote_spanned!(span=> #rt::Lossy),
        false => quote_spanned!(span=> #rule.equal().shown()),
    }
}

fn imports(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    quote_spanned! {span=>
        #[allow(unused_imports)]
        use #rt::{OkFallback as _, SomeFallback as _};
    }
}

fn imports_of_values(plan: &Plan) -> TokenStream {
    let span = Span::mixed_site();
    let rt = plan.runtime(span);
    quote_spanned! {span=>
        #[allow(unused_imports)]
        use #rt::{EqualFallback as _, HoldingFallback as _, ShownFallback as _};
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
    let file = quote_spanned!(span=> #rt::core::file!());
    let place = quote_spanned!(span=> [#rt::core::line!(), #rt::core::column!()]);
    let named = match &plan.name {
        Name::Given(name) => quote_spanned!(span=> named(#name, #file, #place)),
        Name::Path(function, item) => {
            let module = quote_spanned!(span=> #rt::core::module_path!());
            let companion = match &plan.home {
                Home::Companion(companion) => {
                    let name = &companion.name;
                    quote_spanned!(span=> .companion(#rt::core::any::type_name::<#name>))
                }
                Home::Method | Home::Alone => TokenStream::new(),
            };
            quote_spanned! {span=>
                derived(
                    #rt::core::concat!(#module, "::", #function),
                    #module,
                    #item,
                    #file,
                    #place,
                ) #companion
            }
        }
    };
    let method = match &plan.home {
        Home::Method => quote_spanned!(span=> .method()),
        Home::Companion(_) | Home::Alone => TokenStream::new(),
    };
    let settings = plan.settings.iter().map(|setting| match setting {
        Setting::Version(version) => {
            let span = ours(version.span());
            let rt = plan.runtime(span);
            quote_spanned!(span=> .version({ #version } as #rt::core::primitive::u64))
        }
        Setting::Ttl(millis) => quote!(.ttl_millis(#millis)),
        Setting::StoreNone => quote!(.none()),
        Setting::StoreNoneFor(millis) => quote!(.none_millis(#millis)),
        Setting::Jitter(percent) => quote!(.jitter_percent(#percent)),
        Setting::Stale(millis) => quote!(.stale_millis(#millis)),
        Setting::NoLease => quote!(.no_lease()),
        Setting::Lease(millis) => quote!(.lease_millis(#millis)),
        Setting::Follow(millis) => quote!(.follow_millis(#millis)),
        Setting::Near => quote!(.near()),
        Setting::NearFor(millis) => quote!(.near_millis(#millis)),
    });
    quote_spanned! {span=>
        static __SPEC: #rt::Spec = #rt::Spec::#named #method #(#settings)*;
    }
}
