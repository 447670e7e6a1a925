use super::{expands, expands_in};
use expect_test::expect;
use quote::quote;

#[test]
fn an_async_function_gets_a_companion() {
    expands(
        quote!(key = "user_id", ttl = 60),
        quote! {
            /// Loads one.
            pub async fn load(user_id: u64, lang: &str) -> Result<User, E> { body(user_id, lang).await }
        },
        &expect![[r#"
            /// Loads one.
            pub async fn load(user_id: u64, lang: &str) -> Result<User, E> {
                rt::answer(
                        {
                            use rt::{OkFallback as _, SomeFallback as _};
                            rt::Probe::<Result<User, E>>::new().ok().some()
                        },
                        <load>::__call(&user_id),
                        rt::looking,
                        <load>::__codec(),
                        <load>::uncached,
                        (user_id, lang),
                    )
                    .await
            }
            /// The cache of [`load`](fn@load).
            pub struct load {}
            impl load {
                #[doc(hidden)]
                pub fn __spec() -> &'static rt::Spec {
                    static __SPEC: rt::Spec = rt::Spec::derived(
                            rt::core::concat!(
                                rt::core::module_path!(), "::", "load"
                            ),
                            rt::core::module_path!(),
                            7791010941668759764u64,
                            rt::core::file!(),
                            [rt::core::line!(), rt::core::column!()],
                        )
                        .companion(rt::core::any::type_name::<load>)
                        .ttl_millis(60000u64);
                    &__SPEC
                }
                #[doc(hidden)]
                pub fn __codec() -> rt::Codec<Result<User, E>> {
                    use rt::{OkFallback as _, SomeFallback as _};
                    use rt::{
                        EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                    };
                    let __rule = rt::Probe::<Result<User, E>>::new().ok().some();
                    <_ as ::cache_runtime::Cacheable>::codec::<
                        Result<User, E>,
                        _,
                        _,
                    >(<_ as rt::Answers>::answers(__rule.holding()), __rule.equal().shown())
                }
                #[doc(hidden)]
                pub fn __call(user_id: &impl rt::KeyArg<u64>) -> rt::Call {
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    rt::KeyArg::<u64>::write(user_id, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                pub fn key(user_id: impl rt::KeyArg<u64>) -> rt::std::string::String {
                    rt::key(Self::__call(&user_id))
                }
                /// Forgets the value for these arguments.
                pub fn invalidate(
                    user_id: impl rt::KeyArg<u64>,
                ) -> rt::Op<::cache_runtime::Invalidated> {
                    rt::invalidate(Self::__call(&user_id))
                }
                /// Reads the stored value without running the function. `None` is for nothing stored and for a stored `None`.
                pub fn peek(user_id: impl rt::KeyArg<u64>) -> rt::Peek<Result<User, E>, User> {
                    rt::peek::<Result<User, E>, User>(Self::__call(&user_id), Self::__codec())
                }
                /// Reads many stored values at once without running the function.
                pub fn peek_many(
                    user_id: impl rt::core::iter::IntoIterator<Item = impl rt::KeyArg<u64>>,
                ) -> rt::PeekMany<Result<User, E>, User> {
                    rt::peek_many::<
                        Result<User, E>,
                        User,
                        _,
                    >(user_id, |user_id| Self::__call(&user_id), Self::__codec())
                }
                /// Stores a value for these arguments, with the function's `ttl`; `store_if` is not asked.
                pub fn put(
                    user_id: impl rt::KeyArg<u64>,
                    value: &(impl rt::Stored<Result<User, E>, User> + ?rt::core::marker::Sized),
                ) -> rt::Op<()> {
                    let __ttl = rt::core::option::Option::None;
                    let __codec = Self::__codec();
                    rt::put::<
                        Result<User, E>,
                        User,
                    >(
                        Self::__call(&user_id),
                        value,
                        __codec,
                        {
                            use rt::{
                                EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                            };
                            rt::Probe::<User>::new().whole().equal().shown()
                        },
                        __ttl,
                    )
                }
                /// Runs the function and stores what it returns.
                #[inline]
                pub fn refresh(
                    user_id: u64,
                    lang: &str,
                ) -> impl rt::core::future::Future<Output = Result<User, E>> {
                    rt::refresh_of(Self::__spec(), load(user_id, lang))
                }
            }
            impl load {
                /// The function itself, without the cache.
                pub async fn uncached(user_id: u64, lang: &str) -> Result<User, E> {
                    body(user_id, lang).await
                }
            }
        "#]],
    );
}

#[test]
fn a_sync_function_waits_for_nothing() {
    expands_in(
        &["square", "invalidate", "peek", "put", "refresh"],
        quote!(),
        quote!(
            fn square(n: u32) -> u32 {
                n * n
            }
        ),
        &expect![[r#"
            fn square(n: u32) -> u32 {
                let __slot = {
                    let __step = rt::lookup_sync(<square>::__call(&n), <square>::__codec());
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot.load_sync(move || <square>::uncached(n), rt::as_it_is)
            }
            impl square {
                /// Forgets the value for these arguments.
                fn invalidate(
                    n: impl rt::KeyArg<u32>,
                ) -> rt::core::result::Result<::cache_runtime::Invalidated, ::cache_runtime::Error> {
                    rt::invalidate_sync(Self::__call(&n))
                }
                /// Reads the stored value without running the function. `None` is for nothing stored and for a stored `None`.
                fn peek(
                    n: impl rt::KeyArg<u32>,
                ) -> rt::core::result::Result<
                    rt::core::option::Option<u32>,
                    ::cache_runtime::Error,
                > {
                    rt::peek_sync::<u32, u32>(Self::__call(&n), Self::__codec())
                }
                /// Stores a value for these arguments, with the function's `ttl`; `store_if` is not asked.
                fn put(
                    n: impl rt::KeyArg<u32>,
                    value: &(impl rt::Stored<u32, u32> + ?rt::core::marker::Sized),
                ) -> rt::core::result::Result<(), ::cache_runtime::Error> {
                    let __ttl = rt::core::option::Option::None;
                    let __codec = Self::__codec();
                    rt::put_sync::<
                        u32,
                        u32,
                    >(
                        Self::__call(&n),
                        value,
                        __codec,
                        {
                            use rt::{
                                EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                            };
                            rt::Probe::<u32>::new().whole().equal().shown()
                        },
                        __ttl,
                    )
                }
                /// Runs the function and stores what it returns.
                #[inline]
                fn refresh(n: u32) -> u32 {
                    rt::refresh_sync_of(Self::__spec(), move || square(n))
                }
            }
        "#]],
    );
}

#[test]
fn a_boxed_future_stays_one() {
    expands_in(
        &["load", "refresh", "uncached"],
        quote!(key = "id"),
        quote!(
            fn load(id: u64, name: &str) -> BoxFuture<'_, u64> {
                Box::pin(body(id, name))
            }
        ),
        &expect![[r#"
            fn load(id: u64, name: &str) -> BoxFuture<'_, u64> {
                rt::std::boxed::Box::pin(async move {
                    let __policy = {
                        use rt::{OkFallback as _, SomeFallback as _};
                        rt::Probe::<u64>::new().ok().some()
                    };
                    let __slot = {
                        let __step = rt::lookup(<load>::__call(&id), rt::looking, <load>::__codec())
                            .await;
                        match __step {
                            rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                            rt::Step::Load(__slot) => __slot,
                        }
                    };
                    __slot.load(__policy, <load>::uncached(id, name), rt::as_it_is).await
                })
            }
            impl load {
                /// Runs the function and stores what it returns.
                #[inline]
                fn refresh(id: u64, name: &str) -> impl rt::core::future::Future<Output = u64> {
                    rt::refresh_of(Self::__spec(), load(id, name))
                }
            }
            impl load {
                /// The function itself, without the cache.
                fn uncached(id: u64, name: &str) -> BoxFuture<'_, u64> {
                    Box::pin(body(id, name))
                }
            }
        "#]],
    );
}

#[test]
fn a_function_without_a_companion_holds_its_body() {
    expands(
        quote!(key = "id", companion = false),
        quote!(
            fn load(id: u64, mut n: u8) -> Result<u64, E> {
                n += 1;
                Ok(body(id, n)?)
            }
        ),
        &expect![[r#"
            fn load(id: u64, n: u8) -> Result<u64, E> {
                let __slot = {
                    let __step = rt::lookup_sync(
                        {
                            let mut __call = rt::Call::generic(
                                {
                                    static __SPEC: rt::Spec = rt::Spec::derived(
                                        rt::core::concat!(
                                            rt::core::module_path!(), "::",
                                            "load"
                                        ),
                                        rt::core::module_path!(),
                                        11294528382026124038u64,
                                        rt::core::file!(),
                                        [rt::core::line!(), rt::core::column!()],
                                    );
                                    &__SPEC
                                },
                                |__types| {},
                            );
                            __call.key().separate();
                            <u64 as rt::CacheKey>::write(&id, __call.key());
                            __call
                        },
                        {
                            use rt::{OkFallback as _, SomeFallback as _};
                            use rt::{
                                EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                            };
                            let __rule = rt::Probe::<Result<u64, E>>::new().ok().some();
                            <_ as ::cache_runtime::Cacheable>::codec::<
                                Result<u64, E>,
                                _,
                                _,
                            >(<_ as rt::Answers>::answers(__rule.holding()), __rule.equal().shown())
                        },
                    );
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot
                    .load_sync(
                        move || -> Result<u64, E> {
                            let mut n = n;
                            '_body: {
                                n += 1;
                                Ok(body(id, n)?)
                            }
                        },
                        rt::as_it_is,
                    )
            }
        "#]],
    );
}
