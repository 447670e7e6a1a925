use super::expands_in;
use expect_test::expect;
use quote::quote;

#[test]
fn a_closure_over_the_value_is_asked_before_anything_is_stored() {
    expands_in(
        &["load", "put"],
        quote!(
            key = "id",
            ttl = |user: &User| user.ttl,
            store_if = |user| user.active
        ),
        quote!(
            async fn load(id: u64) -> Option<User> {
                body(id)
            }
        ),
        &expect![[r#"
            async fn load(id: u64) -> Option<User> {
                let __policy = {
                    use rt::{OkFallback as _, SomeFallback as _};
                    rt::Probe::<Option<User>>::new().ok().some()
                };
                let __slot = {
                    let __step = rt::lookup(<load>::__call(&id), rt::looking, <load>::__codec())
                        .await;
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot
                    .load(
                        __policy,
                        rt::std::boxed::Box::pin(<load>::uncached(id)),
                        |__slot, __r| {
                            let __slot = __slot
                                .ttl(
                                    rt::ttl_of(
                                        __policy,
                                        __r,
                                        |__value| {
                                            let __shown = __value;
                                            let __value: &User = __shown;
                                            <_ as rt::IntoTtl>::into_ttl(
                                                (|user: &User| user.ttl)(__value),
                                            )
                                        },
                                    ),
                                );
                            let __slot = __slot
                                .store_if(rt::store_if(__policy, __r, |user| user.active));
                            __slot
                        },
                    )
                    .await
            }
            impl load {
                /// Stores a value for these arguments, with the function's `ttl`; `store_if` is not asked.
                fn put(
                    id: impl rt::KeyArg<u64>,
                    value: &(impl rt::Stored<
                        Option<User>,
                        User,
                    > + rt::core::borrow::Borrow<User> + ?rt::core::marker::Sized),
                ) -> rt::Op<()> {
                    let __ttl = rt::core::option::Option::Some({
                        <_ as rt::IntoTtl>::into_ttl(
                            (|user: &User| user.ttl)(rt::core::borrow::Borrow::borrow(value)),
                        )
                    });
                    let __codec = Self::__codec();
                    rt::put::<
                        Option<User>,
                        User,
                    >(
                        Self::__call(&id),
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
            }
        "#]],
    );
}

#[test]
fn an_expression_over_the_arguments_is_asked_before_they_move() {
    expands_in(
        &["load", "put"],
        quote!(key = "id", ttl = ttl_for(&kind)),
        quote!(
            async fn load(id: u64, kind: Kind) -> User {
                body(id, kind)
            }
        ),
        &expect![[r#"
            async fn load(id: u64, kind: Kind) -> User {
                let __policy = {
                    use rt::{OkFallback as _, SomeFallback as _};
                    rt::Probe::<User>::new().ok().some()
                };
                let __slot = {
                    let __step = rt::lookup(<load>::__call(&id), rt::looking, <load>::__codec())
                        .await;
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                let __slot = __slot.ttl({ <_ as rt::IntoTtl>::into_ttl(ttl_for(&kind)) });
                __slot
                    .load(
                        __policy,
                        rt::std::boxed::Box::pin(<load>::uncached(id, kind)),
                        rt::as_it_is,
                    )
                    .await
            }
            impl load {
                /// Stores a value for these arguments, with the function's `ttl`; `store_if` is not asked.
                fn put(
                    id: impl rt::KeyArg<u64>,
                    kind: Kind,
                    value: &(impl rt::Stored<User, User> + ?rt::core::marker::Sized),
                ) -> rt::Op<()> {
                    let __ttl = rt::core::option::Option::Some({
                        <_ as rt::IntoTtl>::into_ttl(ttl_for(&kind))
                    });
                    let __codec = Self::__codec();
                    rt::put::<
                        User,
                        User,
                    >(
                        Self::__call(&id),
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
            }
        "#]],
    );
}

#[test]
fn near_is_said_in_the_static_and_asked_of_the_value() {
    expands_in(
        &["__spec", "__codec"],
        quote!(key = "id", near = "2s"),
        quote!(
            async fn load(id: u64) -> Option<User> {
                body(id)
            }
        ),
        &expect![[r#"
            impl load {
                #[doc(hidden)]
                fn __spec() -> &'static rt::Spec {
                    static __SPEC: rt::Spec = rt::Spec::derived(
                            rt::core::concat!(
                                rt::core::module_path!(), "::", "load"
                            ),
                            rt::core::module_path!(),
                            6480607669133921095u64,
                            rt::core::file!(),
                            [rt::core::line!(), rt::core::column!()],
                        )
                        .companion(rt::core::any::type_name::<load>)
                        .near_millis(2000u64);
                    &__SPEC
                }
                #[doc(hidden)]
                fn __codec() -> rt::Codec<Option<User>> {
                    use rt::{OkFallback as _, SomeFallback as _};
                    use rt::{
                        EqualFallback as _, HoldingFallback as _, ShownFallback as _,
                    };
                    let __rule = rt::Probe::<Option<User>>::new().ok().some();
                    {
                        use rt::ClonedFallback as _;
                        <_ as rt::NearValue>::near(
                            __rule,
                            __rule.cloned(),
                            <_ as ::cache_runtime::Cacheable>::codec::<
                                Option<User>,
                                _,
                                _,
                            >(<_ as rt::Answers>::answers(__rule.holding()), __rule.equal().shown()),
                        )
                    }
                }
            }
        "#]],
    );
}

#[test]
fn a_copy_answers_before_there_is_a_future_of_the_rest() {
    expands_in(
        &["load"],
        quote!(near),
        quote!(
            async fn load(id: u64) -> User {
                body(id)
            }
        ),
        &expect![[r#"
            async fn load(id: u64) -> User {
                let (__call, __codec) = match rt::at_hand(<load>::__call(&id), <load>::__codec()) {
                    rt::core::ops::ControlFlow::Break(__r) => return __r,
                    rt::core::ops::ControlFlow::Continue(__rest) => __rest,
                };
                rt::answer(
                        {
                            use rt::{OkFallback as _, SomeFallback as _};
                            rt::Probe::<User>::new().ok().some()
                        },
                        __call,
                        rt::looking,
                        __codec,
                        <load>::uncached,
                        (id,),
                    )
                    .await
            }
        "#]],
    );
    expands_in(
        &["load"],
        quote!(key = "id", near),
        quote!(
            async fn load(&self, id: u64) -> User {
                body(id)
            }
        ),
        &expect![[r#"
            async fn load(&self, id: u64) -> User {
                let __policy = {
                    use rt::{OkFallback as _, SomeFallback as _};
                    rt::Probe::<User>::new().ok().some()
                };
                let __slot = {
                    let (__call, __codec) = match rt::at_hand(
                        {
                            let mut __call = rt::Call::generic(
                                {
                                    static __SPEC: rt::Spec = rt::Spec::derived(
                                            rt::core::concat!(
                                                rt::core::module_path!(), "::",
                                                "load"
                                            ),
                                            rt::core::module_path!(),
                                            5896220438177712684u64,
                                            rt::core::file!(),
                                            [rt::core::line!(), rt::core::column!()],
                                        )
                                        .method()
                                        .near();
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
                            let __rule = rt::Probe::<User>::new().ok().some();
                            {
                                use rt::ClonedFallback as _;
                                <_ as rt::NearValue>::near(
                                    __rule,
                                    __rule.cloned(),
                                    <_ as ::cache_runtime::Cacheable>::codec::<
                                        User,
                                        _,
                                        _,
                                    >(
                                        <_ as rt::Answers>::answers(__rule.holding()),
                                        __rule.equal().shown(),
                                    ),
                                )
                            }
                        },
                    ) {
                        rt::core::ops::ControlFlow::Break(__r) => return __r,
                        rt::core::ops::ControlFlow::Continue(__rest) => __rest,
                    };
                    let __step = rt::lookup(__call, rt::looking, __codec).await;
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
                                let never: User = loop {};
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

#[test]
fn near_is_asked_of_what_a_generic_method_returns() {
    expands_in(
        &["load"],
        quote!(key = "id", near),
        quote!(
            fn load<T: Named>(&self, id: u64) -> T {
                body(id)
            }
        ),
        &expect![[r#"
            fn load<T: Named>(&self, id: u64) -> T {
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
                                            18062354973530046196u64,
                                            rt::core::file!(),
                                            [rt::core::line!(), rt::core::column!()],
                                        )
                                        .method()
                                        .near();
                                    &__SPEC
                                },
                                |__types| {
                                    __types.host::<Self>();
                                    __types.add::<T>();
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
                            let __rule = rt::Probe::<T>::new().ok().some();
                            {
                                use rt::ClonedFallback as _;
                                <_ as rt::NearValue>::near(
                                    __rule,
                                    __rule.cloned(),
                                    <_ as ::cache_runtime::Cacheable>::codec::<
                                        T,
                                        _,
                                        _,
                                    >(
                                        <_ as rt::Answers>::answers(__rule.holding()),
                                        __rule.equal().shown(),
                                    ),
                                )
                            }
                        },
                    );
                    match __step {
                        rt::Step::Done(__r) | rt::Step::Stale(__r, _) => return __r,
                        rt::Step::Load(__slot) => __slot,
                    }
                };
                __slot.load_sync(move || -> T { body(id) }, rt::as_it_is)
            }
        "#]],
    );
}
