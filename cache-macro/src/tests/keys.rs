use super::expands_in;
use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use quote::quote;

fn makes(options: TokenStream, expected: &Expect) {
    let item = quote! {
        async fn load(tenant: &str, req: Request, ids: Option<&str>, n: u8) -> u64 { body() }
    };
    expands_in(&["__call", "key"], options, item, expected);
}

#[test]
fn without_a_key_all_arguments_are_parts() {
    makes(
        quote!(),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(
                    tenant: &str,
                    req: &impl rt::KeyArg<Request>,
                    ids: &Option<&str>,
                    n: &impl rt::KeyArg<u8>,
                ) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    <str as rt::CacheKey>::write(tenant, __call.key());
                    __call.key().separate();
                    rt::KeyArg::<Request>::write(req, __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    <Option<&str> as rt::CacheKey>::write(ids, __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    rt::KeyArg::<u8>::write(n, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(
                    tenant: &str,
                    req: impl rt::KeyArg<Request>,
                    ids: Option<&str>,
                    n: impl rt::KeyArg<u8>,
                ) -> rt::std::string::String {
                    rt::key(Self::__call(tenant, &req, &ids, &n))
                }
            }
        "#]],
    );
}

#[test]
fn skipped_arguments_are_no_parts() {
    makes(
        quote!(skip(req, ids)),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(tenant: &str, n: &impl rt::KeyArg<u8>) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    <str as rt::CacheKey>::write(tenant, __call.key());
                    __call.key().separate();
                    rt::KeyArg::<u8>::write(n, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(tenant: &str, n: impl rt::KeyArg<u8>) -> rt::std::string::String {
                    rt::key(Self::__call(tenant, &n))
                }
            }
        "#]],
    );
}

#[test]
fn a_template_is_one_part() {
    makes(
        quote!(key = "user:{tenant}/{req.user.0}:{n}"),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(tenant: &str, req: &Request, n: &impl rt::KeyArg<u8>) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    __call.key().literal("user:");
                    <str as rt::CacheKey>::write(tenant, __call.key());
                    __call.key().literal("/");
                    <_ as rt::CacheKey>::write(&req.user.0, __call.key());
                    __call.key().end_part();
                    __call.key().literal(":");
                    rt::KeyArg::<u8>::write(n, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(
                    tenant: &str,
                    req: Request,
                    n: impl rt::KeyArg<u8>,
                ) -> rt::std::string::String {
                    rt::key(Self::__call(tenant, &req, &n))
                }
            }
        "#]],
    );
}

#[test]
fn a_list_is_a_part_each() {
    makes(
        quote!(key = "tenant, req.user.id"),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(tenant: &str, req: &Request) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    <str as rt::CacheKey>::write(tenant, __call.key());
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(&req.user.id, __call.key());
                    __call.key().end_part();
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(tenant: &str, req: Request) -> rt::std::string::String {
                    rt::key(Self::__call(tenant, &req))
                }
            }
        "#]],
    );
}

#[test]
fn an_expression_owns_what_it_names() {
    makes(
        quote!(key = (tenant.len(), format!("{n}"))),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(tenant: &str, n: u8) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(&(tenant.len()), __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(&(format!("{n}")), __call.key());
                    __call.key().end_part();
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(tenant: &str, n: u8) -> rt::std::string::String {
                    rt::key(Self::__call(tenant, n))
                }
            }
        "#]],
    );
}

#[test]
fn a_cache_of_an_expression_owns_what_it_names() {
    makes(
        quote!(key = "tenant", cache = shard(n)),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(tenant: &str, n: u8) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec())
                        .with_cache(
                            rt::core::ops::RangeFrom::<&rt::Cache> {
                                start: shard(n),
                            }
                                .start,
                        );
                    __call.key().separate();
                    <str as rt::CacheKey>::write(tenant, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(tenant: &str, n: u8) -> rt::std::string::String {
                    rt::key(Self::__call(tenant, n))
                }
            }
        "#]],
    );
}

#[test]
fn a_constant_key_has_no_parts() {
    makes(
        quote!(key = ()),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call() -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key() -> rt::std::string::String {
                    rt::key(Self::__call())
                }
            }
        "#]],
    );
}

#[test]
fn the_cache_can_come_from_an_argument() {
    makes(
        quote!(key = "n", cache = &req.cache),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __call(req: Request, n: impl rt::KeyArg<u8>) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec())
                        .with_cache(
                            rt::core::ops::RangeFrom::<&rt::Cache> {
                                start: &req.cache,
                            }
                                .start,
                        );
                    __call.key().separate();
                    rt::KeyArg::<u8>::write(&n, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(req: Request, n: impl rt::KeyArg<u8>) -> rt::std::string::String {
                    rt::key(Self::__call(req, n))
                }
            }
        "#]],
    );
}
