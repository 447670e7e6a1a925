use super::expands_in;
use expect_test::expect;
use quote::quote;

#[test]
fn a_stale_value_is_served_and_its_refresh_owns_what_it_uses() {
    expands_in(
        &["load"],
        quote!(key = "id", ttl = 60, stale = "5m"),
        quote!(
            async fn load(id: u64, lang: &str) -> u64 {
                body(id, lang)
            }
        ),
        &expect![[r#"
            async fn load(id: u64, lang: &str) -> u64 {
                let __policy = {
                    use rt::{OkFallback as _, SomeFallback as _};
                    rt::Probe::<u64>::new().ok().some()
                };
                let __slot = {
                    let __step = rt::lookup(<load>::__call(&id), rt::looking, <load>::__codec())
                        .await;
                    match __step {
                        rt::Step::Done(__r) => return __r,
                        rt::Step::Stale(__r, __slot) => {
                            <_ as rt::Owned>::owned(&id);
                            let lang = <str as rt::std::borrow::ToOwned>::to_owned(lang);
                            <_ as rt::Owned>::owned(&lang);
                            rt::behind(async move {
                                let lang: &str = rt::std::borrow::Borrow::<str>::borrow(&lang);
                                __slot
                                    .load(
                                        __policy,
                                        rt::std::boxed::Box::pin(<load>::uncached(id, lang)),
                                        rt::as_it_is,
                                    )
                                    .await
                            });
                            return __r;
                        }
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot
                    .load(
                        __policy,
                        rt::std::boxed::Box::pin(<load>::uncached(id, lang)),
                        rt::as_it_is,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_sync_refresh_is_a_closure() {
    expands_in(
        &["load"],
        quote!(ttl = id, stale = "5m", companion = false),
        quote!(
            fn load(id: u64) -> u64 {
                body(id)
            }
        ),
        &expect![[r#"
            fn load(id: u64) -> u64 {
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
                                            679179995029473687u64,
                                            rt::core::file!(),
                                            [rt::core::line!(), rt::core::column!()],
                                        )
                                        .stale_millis(300000u64);
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
                            let __rule = rt::Probe::<u64>::new().ok().some();
                            <_ as ::cache_runtime::Cacheable>::codec::<
                                u64,
                                _,
                                _,
                            >(<_ as rt::Answers>::answers(__rule.holding()), __rule.equal().shown())
                        },
                    );
                    match __step {
                        rt::Step::Done(__r) => return __r,
                        rt::Step::Stale(__r, __slot) => {
                            let __slot = __slot.ttl({ <_ as rt::IntoTtl>::into_ttl(id) });
                            <_ as rt::Owned>::owned(&id);
                            rt::behind_sync(move || -> u64 {
                                __slot.load_sync(move || -> u64 { body(id) }, rt::as_it_is)
                            });
                            return __r;
                        }
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                let __slot = __slot.ttl({ <_ as rt::IntoTtl>::into_ttl(id) });
                __slot.load_sync(move || -> u64 { body(id) }, rt::as_it_is)
            }
        "#]],
    );
}

#[test]
fn a_detached_load_of_a_method_runs_on_a_copy_of_self() {
    expands_in(
        &["load"],
        quote!(key = "id", detach),
        quote!(
            async fn load(&self, id: u64) -> u64 {
                self.body(id)
            }
        ),
        &expect![[r#"
            async fn load(&self, id: u64) -> u64 {
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
                                                168113703512154755u64,
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
                                use rt::{OkFallback as _, SomeFallback as _};
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
                <_ as rt::Owned>::owned(&id);
                let __this = <Self as rt::core::clone::Clone>::clone(self);
                <Self as rt::Owned>::owned(&__this);
                rt::detached(async move {
                        let __this: &Self = &__this;
                        __slot
                            .load(
                                __policy,
                                rt::std::boxed::Box::pin(async move {
                                    if false {
                                        let never: u64 = loop {};
                                        return never;
                                    }
                                    '_body: { __this.body(id) }
                                }),
                                rt::as_it_is,
                            )
                            .await
                    })
                    .await
            }
        "#]],
    );
}

#[test]
fn an_owned_self_moves_into_the_refresh() {
    expands_in(
        &["load"],
        quote!(key = "id", ttl = 60, stale = "5m"),
        quote!(
            async fn load(self: Arc<Self>, id: u64) -> u64 {
                self.body(id)
            }
        ),
        &expect![[r#"
            async fn load(self: Arc<Self>, id: u64) -> u64 {
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
                                                12285948438397527069u64,
                                                rt::core::file!(),
                                                [rt::core::line!(), rt::core::column!()],
                                            )
                                            .method()
                                            .ttl_millis(60000u64)
                                            .stale_millis(300000u64);
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
                        rt::Step::Done(__r) => return __r,
                        rt::Step::Stale(__r, __slot) => {
                            <_ as rt::Owned>::owned(&id);
                            rt::behind(async move {
                                __slot
                                    .load(
                                        __policy,
                                        rt::std::boxed::Box::pin(async move {
                                            if false {
                                                let never: u64 = loop {};
                                                return never;
                                            }
                                            '_body: { self.body(id) }
                                        }),
                                        rt::as_it_is,
                                    )
                                    .await
                            });
                            return __r;
                        }
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot
                    .load(
                        __policy,
                        rt::std::boxed::Box::pin(async move {
                            if false {
                                let never: u64 = loop {};
                                return never;
                            }
                            '_body: { self.body(id) }
                        }),
                        rt::as_it_is,
                    )
                    .await
            }
        "#]],
    );
}
