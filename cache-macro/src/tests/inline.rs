use super::expands;
use expect_test::expect;
use quote::quote;

#[test]
fn an_async_method_holds_its_body() {
    expands(
        quote!(key = "{self.tenant}:{id}", ttl = 60),
        quote! {
            pub async fn load(&self, id: u64, (a, b): (u8, u8)) -> Result<User, E> { Ok(self.body(id, a, b).await?) }
        },
        &expect![[r#"
            pub async fn load(&self, id: u64, __arg1: (u8, u8)) -> Result<User, E> {
                let __policy = {
                    use rt::{OkFallback as _, SomeFallback as _};
                    rt::Probe::<Result<User, E>>::new().ok().some()
                };
                let __slot = {
                    let __step = rt::lookup(
                            {
                                let mut __call = rt::Call::generic(
                                    {
                                        static __SPEC: rt::Spec = rt::Spec::derived(
                                                rt::core::concat!(
                                                    rt::core::module_path!(), "::",
                                                    "load"
                                                ),
                                                rt::core::module_path!(),
                                                9239123781935487850u64,
                                                rt::core::file!(),
                                                [rt::core::line!(), rt::core::column!()],
                                            )
                                            .method()
                                            .ttl_millis(60000u64);
                                        &__SPEC
                                    },
                                    |__types| {
                                        __types.host::<Self>();
                                    },
                                );
                                __call.key().separate();
                                <_ as rt::CacheKey>::write(&self.tenant, __call.key());
                                __call.key().end_part();
                                __call.key().literal(":");
                                <u64 as rt::CacheKey>::write(&id, __call.key());
                                __call
                            },
                            rt::looking,
                            {
                                use rt::{OkFallback as _, SomeFallback as _};
                                use rt::{
                                    EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                                };
                                let __rule = rt::Probe::<Result<User, E>>::new().ok().some();
                                <_ as ::cache_runtime::Cacheable>::codec::<
                                    Result<User, E>,
                                    _,
                                    _,
                                >(
                                    <_ as rt::Answers>::answers(__rule.holding()),
                                    __rule.equal().shown(),
                                )
                            },
                        )
                        .await;
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot
                    .load(
                        __policy,
                        rt::std::boxed::Box::pin(async move {
                            if false {
                                let never: Result<User, E> = loop {};
                                return never;
                            }
                            let (a, b) = __arg1;
                            '_body: { Ok(self.body(id, a, b).await?) }
                        }),
                        rt::as_it_is,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_sync_method_holds_its_body() {
    expands(
        quote!(key = "id"),
        quote!(
            fn load(self: Arc<Self>, id: u64) -> u64 {
                self.body(id)
            }
        ),
        &expect![[r#"
            fn load(self: Arc<Self>, id: u64) -> u64 {
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
                                            12247066516973709321u64,
                                            rt::core::file!(),
                                            [rt::core::line!(), rt::core::column!()],
                                        )
                                        .method();
                                    &__SPEC
                                },
                                |__types| {
                                    __types.host::<Self>();
                                },
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
                            let __rule = rt::Probe::<u64>::new().ok().some();
                            <_ as ::cache_runtime::Cacheable>::codec::<
                                u64,
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
                __slot.load_sync(move || -> u64 { self.body(id) }, rt::as_it_is)
            }
        "#]],
    );
}

#[test]
fn what_async_trait_makes_is_one_future_again() {
    expands(
        quote!(key = "id"),
        quote! {
            fn load<'life0, 'async_trait>(
                &'life0 self,
                id: u64,
            ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = u64> + ::core::marker::Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move { self.body(id).await })
            }
        },
        &expect![[r#"
            fn load<'life0, 'async_trait>(
                &'life0 self,
                id: u64,
            ) -> ::core::pin::Pin<
                Box<dyn ::core::future::Future<Output = u64> + ::core::marker::Send + 'async_trait>,
            >
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                rt::std::boxed::Box::pin(async move {
                    let __policy = {
                        use rt::{OkFallback as _, SomeFallback as _};
                        rt::Probe::<u64>::new().ok().some()
                    };
                    let __slot = {
                        let __step = rt::lookup(
                                {
                                    let mut __call = rt::Call::generic(
                                        {
                                            static __SPEC: rt::Spec = rt::Spec::derived(
                                                    rt::core::concat!(
                                                        rt::core::module_path!(), "::",
                                                        "load"
                                                    ),
                                                    rt::core::module_path!(),
                                                    9393321631246940703u64,
                                                    rt::core::file!(),
                                                    [rt::core::line!(), rt::core::column!()],
                                                )
                                                .method();
                                            &__SPEC
                                        },
                                        |__types| {
                                            __types.host::<Self>();
                                        },
                                    );
                                    __call.key().separate();
                                    <u64 as rt::CacheKey>::write(&id, __call.key());
                                    __call
                                },
                                rt::looking,
                                {
                                    use rt::{
                                        OkFallback as _, SomeFallback as _,
                                    };
                                    use rt::{
                                        EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                                    };
                                    let __rule = rt::Probe::<u64>::new().ok().some();
                                    <_ as ::cache_runtime::Cacheable>::codec::<
                                        u64,
                                        _,
                                        _,
                                    >(
                                        <_ as rt::Answers>::answers(__rule.holding()),
                                        __rule.equal().shown(),
                                    )
                                },
                            )
                            .await;
                        match __step {
                            rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                            rt::Step::Load(__slot) => __slot,
                        }
                    };
                    __slot
                        .load(
                            __policy,
                            (move || -> ::core::pin::Pin<
                                Box<
                                    dyn ::core::future::Future<
                                        Output = u64,
                                    > + ::core::marker::Send + 'async_trait,
                                >,
                            > { Box::pin(async move { self.body(id).await }) })(),
                            rt::as_it_is,
                        )
                        .await
                })
            }
        "#]],
    );
}

#[test]
fn an_associated_function_is_known_by_the_flag() {
    expands(
        quote!(
            method,
            name = "users",
            version = VERSION,
            none = "30s",
            jitter = "10%"
        ),
        quote!(
            async fn load(id: u64) -> Option<u64> {
                body(id)
            }
        ),
        &expect![[r#"
            async fn load(id: u64) -> Option<u64> {
                let __policy = {
                    use rt::{OkFallback as _, SomeFallback as _};
                    rt::Probe::<Option<u64>>::new().ok().some()
                };
                let __slot = {
                    let __step = rt::lookup(
                            {
                                let mut __call = rt::Call::generic(
                                    {
                                        static __SPEC: rt::Spec = rt::Spec::named(
                                                "users",
                                                rt::core::file!(),
                                                [rt::core::line!(), rt::core::column!()],
                                            )
                                            .method()
                                            .version({ VERSION } as rt::core::primitive::u64)
                                            .none_millis(30000u64)
                                            .jitter_percent(10u8);
                                        &__SPEC
                                    },
                                    |__types| {
                                        __types.host::<Self>();
                                    },
                                );
                                __call.key().separate();
                                <u64 as rt::CacheKey>::write(&id, __call.key());
                                __call
                            },
                            rt::looking,
                            {
                                use rt::{OkFallback as _, SomeFallback as _};
                                use rt::{
                                    EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                                };
                                let __rule = rt::Probe::<Option<u64>>::new().ok().some();
                                <_ as ::cache_runtime::Cacheable>::codec::<
                                    Option<u64>,
                                    _,
                                    _,
                                >(
                                    <_ as rt::Answers>::answers(__rule.holding()),
                                    __rule.equal().shown(),
                                )
                            },
                        )
                        .await;
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot
                    .load(
                        __policy,
                        rt::std::boxed::Box::pin(async move {
                            if false {
                                let never: Option<u64> = loop {};
                                return never;
                            }
                            '_body: { body(id) }
                        }),
                        rt::as_it_is,
                    )
                    .await
            }
        "#]],
    );
}
