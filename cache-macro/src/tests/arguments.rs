use super::expands_in;
use expect_test::expect;
use quote::quote;

#[test]
fn type_and_const_parameters_are_part_of_the_key() {
    expands_in(
        &["load", "__call", "key"],
        quote!(key = "k"),
        quote! {
            async fn load<'a, T: Default, const N: usize>(k: impl CacheKey + Into<String>, a: &'a T) -> T
            where
                T: Clone,
            {
                body(k, a)
            }
        },
        &expect![[r#"
            async fn load<'a, T: Default, const N: usize>(
                k: impl CacheKey + Into<String>,
                a: &'a T,
            ) -> T
            where
                T: Clone,
            {
                rt::answer(
                        {
                            use rt::{OkFallback as _, SomeFallback as _};
                            rt::Probe::<T>::new().ok().some()
                        },
                        <load>::__call::<T, { N }>(&k),
                        rt::looking,
                        <load>::__codec::<T, { N }>(),
                        <load>::uncached::<T, { N }>,
                        (k, a),
                    )
                    .await
            }
            impl load {
                #[doc(hidden)]
                fn __call<'a, T: Default, const N: usize>(
                    k: &(impl CacheKey + Into<String>),
                ) -> rt::Call
                where
                    T: Clone,
                {
                    let mut __call = rt::Call::generic(
                        Self::__spec(),
                        |__types| {
                            __types.add::<T>();
                            __types.add_of(k);
                        },
                    );
                    __call.key().constant(&N);
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(k, __call.key());
                    __call.key().end_part();
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key<'a, T: Default, const N: usize>(
                    k: impl CacheKey + Into<String>,
                ) -> rt::std::string::String
                where
                    T: Clone,
                {
                    rt::key(Self::__call::<T, { N }>(&k))
                }
            }
        "#]],
    );
}

#[test]
fn patterns_are_taken_apart_for_the_key_and_kept_for_the_body() {
    expands_in(
        &["load", "__call", "key", "uncached"],
        quote!(),
        quote! {
            async fn load(Path((id, ref mut name)): Path<(u64, String)>, &(a, b): &(u8, u8), mut n: u8, _: Db) -> u64 {
                body(id, name, a, b, n)
            }
        },
        &expect![[r#"
            async fn load(__arg0: Path<(u64, String)>, __arg1: &(u8, u8), n: u8, __arg3: Db) -> u64 {
                rt::answer(
                        {
                            use rt::{OkFallback as _, SomeFallback as _};
                            rt::Probe::<u64>::new().ok().some()
                        },
                        <load>::__call(&__arg0, __arg1, &n),
                        rt::looking,
                        <load>::__codec(),
                        <load>::uncached,
                        (__arg0, __arg1, n, __arg3),
                    )
                    .await
            }
            impl load {
                #[doc(hidden)]
                fn __call(
                    __arg0: &Path<(u64, String)>,
                    __arg1: &(u8, u8),
                    n: &impl rt::KeyArg<u8>,
                ) -> rt::Call {
                    let Path((id, name)) = __arg0;
                    let &(ref a, ref b) = __arg1;
                    let mut __call = rt::Call::new(Self::__spec());
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(id, __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(name, __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(a, __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    <_ as rt::CacheKey>::write(b, __call.key());
                    __call.key().end_part();
                    __call.key().separate();
                    rt::KeyArg::<u8>::write(n, __call.key());
                    __call
                }
                /// The key under which the value for these arguments is stored.
                fn key(
                    __arg0: Path<(u64, String)>,
                    __arg1: &(u8, u8),
                    n: impl rt::KeyArg<u8>,
                ) -> rt::std::string::String {
                    rt::key(Self::__call(&__arg0, __arg1, &n))
                }
            }
            impl load {
                /// The function itself, without the cache.
                async fn uncached(
                    Path((id, ref mut name)): Path<(u64, String)>,
                    &(a, b): &(u8, u8),
                    mut n: u8,
                    _: Db,
                ) -> u64 {
                    body(id, name, a, b, n)
                }
            }
        "#]],
    );
}

#[test]
fn attributes_stay_and_lints_go_with_the_body() {
    expands_in(
        &["load", "uncached"],
        quote!(),
        quote! {
            #[tracing::instrument]
            #[expect(unused_variables)]
            #[must_use]
            async fn load(#[expect(unused)] id: u64) -> u64 { 1 }
        },
        &expect![[r#"
            #[tracing::instrument]
            #[must_use]
            async fn load(id: u64) -> u64 {
                rt::answer(
                        {
                            use rt::{OkFallback as _, SomeFallback as _};
                            rt::Probe::<u64>::new().ok().some()
                        },
                        <load>::__call(&id),
                        rt::looking,
                        <load>::__codec(),
                        <load>::uncached,
                        (id,),
                    )
                    .await
            }
            impl load {
                /// The function itself, without the cache.
                #[expect(unused_variables)]
                async fn uncached(#[expect(unused)] id: u64) -> u64 {
                    1
                }
            }
        "#]],
    );
}
