//! The functions of a companion that its users call.

use super::call::{self, Given};
use super::{facts, ours_on, signature, user_span, wrapper};
use crate::plan::{Companion, Many, Passing, Plan, PutValue, Ttl};
use crate::target::Flow;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

pub(super) struct Verbs<'a> {
    plan: &'a Plan,
    companion: &'a Companion,
    rt: TokenStream,
    krate: TokenStream,
    turbofish: TokenStream,
}

impl<'a> Verbs<'a> {
    pub(super) fn new(plan: &'a Plan, companion: &'a Companion) -> Self {
        let span = Span::mixed_site();
        Self {
            plan,
            companion,
            rt: plan.runtime(span),
            krate: plan.krate(span),
            turbofish: call::turbofish(&companion.generics),
        }
    }

    pub(super) fn key(&self) -> TokenStream {
        let (rt, call) = (&self.rt, self.call());
        let returns = quote_spanned!(Span::mixed_site()=> #rt::std::string::String);
        let body = quote_spanned!(Span::mixed_site()=> #rt::key(#call));
        let docs = " The key under which the value for these arguments is stored.";
        self.verb(docs, "key", &returns, &body)
    }

    pub(super) fn invalidate(&self) -> TokenStream {
        let (rt, krate, call) = (&self.rt, &self.krate, self.call());
        let returns = self.outcome(&quote_spanned!(Span::mixed_site()=> #krate::Invalidated));
        let invalidate = self.driver("invalidate");
        let body = quote_spanned!(Span::mixed_site()=> #rt::#invalidate(#call));
        self.verb(
            " Forgets the value for these arguments.",
            "invalidate",
            &returns,
            &body,
        )
    }

    pub(super) fn peek(&self) -> TokenStream {
        let (rt, call) = (&self.rt, self.call());
        let (returns, value, turbofish) = (
            &self.plan.target.returns,
            &self.companion.value,
            &self.turbofish,
        );
        let span = Span::mixed_site();
        let gives = match self.plan.target.flow {
            Flow::Sync => self.outcome(&quote_spanned!(span=> #rt::core::option::Option<#value>)),
            Flow::Async | Flow::Boxed => quote_spanned!(span=> #rt::Peek<#returns, #value>),
        };
        let peek = self.driver("peek");
        let body = quote_spanned! {span=>
            #rt::#peek::<#returns, #value>(#call, Self::__codec #turbofish ())
        };
        let docs = " Reads the stored value without running the function. `None` is for nothing stored \
                    and for a stored `None`.";
        self.verb(docs, "peek", &gives, &body)
    }

    pub(super) fn peek_many(&self) -> TokenStream {
        let Many::By(by) = self.companion.many else {
            return TokenStream::new();
        };
        let span = Span::mixed_site();
        let (vis, rt, turbofish) = (&self.plan.target.vis, &self.rt, &self.turbofish);
        let (returns, value) = (&self.plan.target.returns, &self.companion.value);
        let (params, bounds, taken) = signature::many_params(self.plan, self.companion, by);
        let many = &self.companion.params[by].name;
        let call = self.call();
        let gives = match self.plan.target.flow {
            Flow::Sync => self.outcome(&quote_spanned! {span=>
                #rt::std::vec::Vec<#rt::core::option::Option<#value>>
            }),
            Flow::Async | Flow::Boxed => quote_spanned!(span=> #rt::PeekMany<#returns, #value>),
        };
        let (peek_many, name) = (self.driver("peek_many"), self.verb_name("peek_many"));
        quote_spanned! {span=>
            /// Reads many stored values at once without running the function.
            #vis fn #name #params (#taken) -> #gives #bounds {
                #rt::#peek_many::<#returns, #value, _>(
                    #many,
                    |#many| #call,
                    Self::__codec #turbofish (),
                )
            }
        }
    }

    pub(super) fn put(&self) -> TokenStream {
        let span = Span::mixed_site();
        let (vis, rt, turbofish) = (&self.plan.target.vis, &self.rt, &self.turbofish);
        let (returns, value) = (&self.plan.target.returns, &self.companion.value);
        let comparison = facts::comparison_of_put(self.plan, value);
        let (params, bounds) = signature::generics(&self.companion.put_generics);
        let taken = signature::params(self.plan, &self.companion.put_params);
        let kept = match &self.companion.put_value {
            PutValue::Kept => {
                let span = user_span(returns);
                let rt = self.plan.runtime(span);
                quote_spanned!(span=> &(impl #rt::Stored<#returns, #value> + ?#rt::core::marker::Sized))
            }
            // A closure over another type is one mistake, and reported at the function.
            PutValue::OfClosure(of_closure) => quote_spanned! {span=>
                &(
                    impl #rt::Stored<#returns, #value>
                        + #rt::core::borrow::Borrow<#of_closure>
                        + ?#rt::core::marker::Sized
                )
            },
        };
        let ttl = match &self.plan.ttl {
            Ttl::Settled => quote_spanned!(span=> #rt::core::option::Option::None),
            Ttl::Early { expr, bindings } => {
                let bindings = call::bindings(bindings, Given::Declared);
                self.some_ttl(&bindings, expr)
            }
            Ttl::Late { closure, .. } => {
                let value = quote_spanned!(span=> #rt::core::borrow::Borrow::borrow(value));
                let value = quote_spanned!(ours_on(closure)=> (#closure)(#value));
                self.some_ttl(&TokenStream::new(), &value)
            }
        };
        let gives = self.outcome(&quote_spanned!(span=> ()));
        let (put, name) = (self.driver("put"), self.verb_name("put"));
        let call = self.call();
        quote_spanned! {span=>
            /// Stores a value for these arguments, with the function's `ttl`; `store_if` is not asked.
            #vis fn #name #params (#taken value: #kept) -> #gives #bounds {
                let __ttl = #ttl;
                let __codec = Self::__codec #turbofish ();
                #rt::#put::<#returns, #value>(#call, value, __codec, #comparison, __ttl)
            }
        }
    }

    fn some_ttl(&self, bindings: &TokenStream, expr: &impl ToTokens) -> TokenStream {
        let rt = &self.rt;
        let ttl = wrapper::into_ttl(self.plan, expr);
        quote_spanned!(Span::mixed_site()=> #rt::core::option::Option::Some({ #bindings #ttl }))
    }

    pub(super) fn refresh(&self) -> TokenStream {
        let span = Span::mixed_site();
        let (vis, rt) = (&self.plan.target.vis, &self.rt);
        let turbofish = call::turbofish(&self.plan.target.sig.generics);
        let function = &self.plan.target.sig.ident;
        let (mut sig, names) = signature::with_visible_function(&self.plan.target);
        sig.ident = self.verb_name("refresh");
        let call = quote_spanned!(span=> #function #turbofish (#(#names),*));
        let body = match self.plan.target.flow {
            Flow::Sync => {
                quote_spanned!(span=> #rt::refresh_sync_of(Self::__spec(), move || #call))
            }
            // No `async fn`: that would be one more future for the compiler to prove things about.
            Flow::Async | Flow::Boxed => {
                let returns = &self.plan.target.returns;
                sig.asyncness = None;
                sig.output = syn::parse_quote_spanned! {span=>
                    -> impl #rt::core::future::Future<Output = #returns>
                };
                quote_spanned!(span=> #rt::refresh_of(Self::__spec(), #call))
            }
        };
        quote_spanned! {span=>
            /// Runs the function and stores what it returns.
            #[inline]
            #vis #sig { #body }
        }
    }

    fn verb(&self, docs: &str, name: &str, gives: &TokenStream, body: &TokenStream) -> TokenStream {
        let vis = &self.plan.target.vis;
        let name = self.verb_name(name);
        let (params, bounds) = signature::generics(&self.companion.generics);
        let taken = signature::params(self.plan, &self.companion.params);
        quote_spanned! {Span::mixed_site()=>
            #[doc = #docs]
            #vis fn #name #params (#taken) -> #gives #bounds { #body }
        }
    }

    fn verb_name(&self, name: &str) -> Ident {
        signature::verb_name(&self.plan.target, name)
    }

    /// The function of the runtime that does it.
    fn driver(&self, verb: &str) -> Ident {
        let name = match self.plan.target.flow {
            Flow::Sync => format!("{verb}_sync"),
            Flow::Async | Flow::Boxed => verb.into(),
        };
        Ident::new(&name, Span::mixed_site())
    }

    fn outcome(&self, value: &TokenStream) -> TokenStream {
        let (rt, krate) = (&self.rt, &self.krate);
        let span = Span::mixed_site();
        match self.plan.target.flow {
            Flow::Sync => quote_spanned!(span=> #rt::core::result::Result<#value, #krate::Error>),
            Flow::Async | Flow::Boxed => quote_spanned!(span=> #rt::Op<#value>),
        }
    }

    /// `Self::__call(&id)`, from the arguments that a verb takes.
    fn call(&self) -> TokenStream {
        let turbofish = &self.turbofish;
        let arguments = self.companion.params.iter().map(|param| {
            let name = &param.name;
            match self.companion.passing {
                Passing::Owned => name.to_token_stream(),
                Passing::Shared | Passing::Borrowed => call::reference(param, Given::Declared),
            }
        });
        quote_spanned!(Span::mixed_site()=> Self::__call #turbofish (#(#arguments),*))
    }
}
