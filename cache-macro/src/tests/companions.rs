use super::expands_in;
use expect_test::expect;
use quote::quote;

#[test]
fn many_references_share_a_named_lifetime() {
    expands_in(
        &["peek_many"],
        quote!(),
        quote!(
            async fn load(name: &str) -> u64 {
                1
            }
        ),
        &expect![[r#"
            impl load {
                /// Reads many stored values at once without running the function.
                fn peek_many<'__item>(
                    name: impl rt::core::iter::IntoIterator<Item = &'__item str>,
                ) -> rt::PeekMany<u64, u64> {
                    rt::peek_many::<u64, u64, _>(name, |name| Self::__call(name), Self::__codec())
                }
            }
        "#]],
    );
}

#[test]
fn two_arguments_cannot_be_asked_for_many_at_once() {
    expands_in(
        &["peek_many"],
        quote!(),
        quote!(
            async fn load(name: &str, n: u8) -> u64 {
                1
            }
        ),
        &expect![[""]],
    );
}

#[test]
fn an_argument_of_the_name_of_the_function_does_not_hide_it() {
    expands_in(
        &["refresh"],
        quote!(companion = users),
        quote!(
            async fn user(user: u64, n: u8) -> u64 {
                1
            }
        ),
        &expect![[r#"
            impl users {
                /// Runs the function and stores what it returns.
                #[inline]
                fn refresh(__arg0: u64, n: u8) -> impl rt::core::future::Future<Output = u64> {
                    rt::refresh_of(Self::__spec(), user(__arg0, n))
                }
            }
        "#]],
    );
}

#[test]
fn what_hides_the_function_hides_the_companion() {
    expands_in(
        &["struct", "__spec"],
        quote!(key = "id", crate = ::cache),
        quote! {
            #[cfg(unix)]
            #[doc(hidden)]
            pub(crate) fn load(id: u64) {}
        },
        &expect![""],
    );
}

#[test]
fn what_stands_for_a_parameter_would_not_tell_which() {
    expands_in(
        &["key"],
        quote!(),
        quote!(
            async fn load<T: CacheKey>(one: T, all: Vec<T>, n: u8) -> u64 {
                1
            }
        ),
        &expect![[r#"
            impl load {
                /// The key under which the value for these arguments is stored.
                fn key<T: CacheKey>(
                    one: T,
                    all: Vec<T>,
                    n: impl rt::KeyArg<u8>,
                ) -> rt::std::string::String {
                    rt::key(Self::__call::<T>(&one, &all, &n))
                }
            }
        "#]],
    );
}
