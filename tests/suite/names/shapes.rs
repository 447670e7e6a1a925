//! Some hundred functions of one name, told apart by everything that can be round a function.

use cache_runtime::Cache;

use super::Calls;
use crate::support::Server;

pub trait Kind {
    const NAME: &'static str;
}

pub trait Other<K> {
    fn rate(&self, id: u64) -> String;
}

macro_rules! kinds {
    ($($kind:ident)*) => {$(
        #[derive(Clone, Copy)]
        pub struct $kind;
        impl Kind for $kind {
            const NAME: &'static str = stringify!($kind);
        }
    )*};
}

kinds!(A B C);

/// A module in which every function is called `rate` and takes a `u64`.
macro_rules! module {
    ($module:ident) => {
        mod $module {
            use std::marker::PhantomData;

            use cache_runtime::read_through;

            use super::super::Calls;
            use super::{A, B, C, Kind, Other};

            const HERE: &str = stringify!($module);

            #[derive(Clone, Copy)]
            pub struct Pg;
            pub struct Of<T, const N: usize>(PhantomData<T>);
            pub mod inner {
                pub struct Pg;
                pub trait Rates {
                    fn rate(&self, id: u64) -> String;
                }
            }

            #[read_through(key = "id")]
            fn rate(id: u64) -> String {
                format!("{HERE} free {id}")
            }

            mod alone {
                #[cache_runtime::read_through(key = "id", companion = false)]
                pub fn rate(id: u64) -> String {
                    format!("{} alone {id}", super::HERE)
                }
            }

            impl Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} inherent {id}")
                }
            }

            impl<T: Kind, const N: usize> Of<T, N> {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} of {} {N} {id}", T::NAME)
                }
            }

            pub trait Users {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String
                where
                    Self: Kind,
                {
                    format!("{HERE} default {} {id}", Self::NAME)
                }
            }
            impl Users for A {}
            impl Users for B {}

            pub trait Orders {
                fn rate(&self, id: u64) -> String;
            }
            impl Orders for Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders {id}")
                }
            }
            impl Orders for inner::Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders inner {id}")
                }
            }
            impl Orders for &Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders reference {id}")
                }
            }
            impl<T: Kind> Orders for [T] {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders slice {} {id}", T::NAME)
                }
            }
            impl<T: Kind> Orders for (u8, Vec<T>) {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders pair {} {id}", T::NAME)
                }
            }
            impl<R> Orders for fn(u8) -> R {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders fn {} {id}", std::any::type_name::<R>())
                }
            }
            impl Orders for dyn inner::Rates {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} orders dyn {id}")
                }
            }
            impl inner::Rates for Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} rates {id}")
                }
            }
            impl inner::Rates for inner::Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} rates inner {id}")
                }
            }
            impl<K: Kind> Other<K> for Pg {
                #[read_through(key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} other {} {id}", K::NAME)
                }
            }
            impl<K: Kind, T: Kind> Other<(K, T)> for inner::Pg {
                #[read_through(name = "named", key = "id")]
                fn rate(&self, id: u64) -> String {
                    format!("{HERE} named {} {} {id}", K::NAME, T::NAME)
                }
            }

            mod generic {
                use super::*;

                #[read_through(key = "id")]
                pub fn rate<T: Kind>(id: u64) -> String {
                    format!("{HERE} generic {} {id}", T::NAME)
                }
                #[read_through(key = "{T}/{id}/{U}")]
                pub fn rates<T: Kind, U: Kind>(id: u64) -> String {
                    format!("{HERE} template {} {} {id}", T::NAME, U::NAME)
                }
            }

            fn one(calls: &mut Calls) {
                #[read_through(key = "id")]
                fn rate(id: u64) -> String {
                    format!("{HERE} one {id}")
                }
                calls.make(&format!("{HERE} one 1"), || rate(1));
                {
                    #[read_through(key = "id")]
                    fn rate(id: u64) -> String {
                        format!("{HERE} one block {id}")
                    }
                    calls.make(&format!("{HERE} one block 1"), || rate(1));
                }
                struct Pg;
                impl Pg {
                    #[read_through(key = "id")]
                    fn rate(&self, id: u64) -> String {
                        format!("{HERE} one inherent {id}")
                    }
                }
                calls.make(&format!("{HERE} one inherent 1"), || Pg.rate(1));
                {
                    struct Pg;
                    impl Pg {
                        #[read_through(key = "id")]
                        fn rate(&self, id: u64) -> String {
                            format!("{HERE} one block inherent {id}")
                        }
                    }
                    impl Orders for Pg {
                        #[read_through(key = "id")]
                        fn rate(&self, id: u64) -> String {
                            format!("{HERE} one block orders {id}")
                        }
                    }
                    calls.make(&format!("{HERE} one block inherent 1"), || Pg.rate(1));
                    calls.make(&format!("{HERE} one block orders 1"), || {
                        Orders::rate(&Pg, 1)
                    });
                }
                impl Orders for C {
                    #[read_through(key = "id")]
                    fn rate(&self, id: u64) -> String {
                        format!("{HERE} one orders {id}")
                    }
                }
                calls.make(&format!("{HERE} one orders 1"), || Orders::rate(&C, 1));
                trait Orders {
                    fn rate(&self, id: u64) -> String;
                }
                impl Orders for super::$module::Pg {
                    #[read_through(key = "id")]
                    fn rate(&self, id: u64) -> String {
                        format!("{HERE} one local orders {id}")
                    }
                }
                calls.make(&format!("{HERE} one local orders 1"), || {
                    Orders::rate(&super::$module::Pg, 1)
                });
                mod inner {
                    #[cache_runtime::read_through(key = "id")]
                    pub fn rate(id: u64) -> String {
                        format!("{} one inner {id}", super::HERE)
                    }
                }
                calls.make(&format!("{HERE} one inner 1"), || inner::rate(1));
            }

            fn two(calls: &mut Calls) {
                #[read_through(key = "id", companion = false)]
                fn rate(id: u64) -> String {
                    format!("{HERE} two {id}")
                }
                calls.make(&format!("{HERE} two 1"), || rate(1));
                let in_closure = || {
                    #[read_through(key = "id")]
                    fn rate(id: u64) -> String {
                        format!("{HERE} two closure {id}")
                    }
                    rate(1)
                };
                calls.make(&format!("{HERE} two closure 1"), in_closure);
                fn generic<T: Kind>(id: u64) -> String {
                    #[read_through(key = "id")]
                    fn rate(id: u64) -> String {
                        format!("{HERE} two nested {id}")
                    }
                    rate(id)
                }
                calls.make(&format!("{HERE} two nested 1"), || generic::<A>(1));
                mod inner {
                    #[cache_runtime::read_through(key = "id")]
                    pub fn rate(id: u64) -> String {
                        format!("{} two inner {id}", super::HERE)
                    }
                }
                calls.make(&format!("{HERE} two inner 1"), || inner::rate(1));
            }

            pub fn call_all(calls: &mut Calls) {
                fn as_fn(_: u8) -> u16 {
                    0
                }
                let mut make = |text: &str, call: &dyn Fn() -> String| {
                    calls.make(&format!("{HERE} {text} 1"), call);
                };
                make("free", &|| rate(1));
                make("alone", &|| alone::rate(1));
                make("inherent", &|| Pg.rate(1));
                make("of A 1", &|| Of::<A, 1>(PhantomData).rate(1));
                make("of A 2", &|| Of::<A, 2>(PhantomData).rate(1));
                make("of B 1", &|| Of::<B, 1>(PhantomData).rate(1));
                make("default A", &|| Users::rate(&A, 1));
                make("default B", &|| Users::rate(&B, 1));
                make("orders", &|| Orders::rate(&Pg, 1));
                make("orders inner", &|| Orders::rate(&inner::Pg, 1));
                make("orders reference", &|| Orders::rate(&&Pg, 1));
                make("orders slice A", &|| Orders::rate(&[A][..], 1));
                make("orders slice B", &|| Orders::rate(&[B][..], 1));
                make("orders pair A", &|| Orders::rate(&(1, vec![A]), 1));
                make("orders pair B", &|| Orders::rate(&(1, vec![B]), 1));
                make("orders fn u16", &|| {
                    Orders::rate(&(as_fn as fn(u8) -> u16), 1)
                });
                make("orders dyn", &|| Orders::rate(&Pg as &dyn inner::Rates, 1));
                make("rates", &|| inner::Rates::rate(&Pg, 1));
                make("rates inner", &|| inner::Rates::rate(&inner::Pg, 1));
                make("other A", &|| Other::<A>::rate(&Pg, 1));
                make("other B", &|| Other::<B>::rate(&Pg, 1));
                make("named A B", &|| Other::<(A, B)>::rate(&inner::Pg, 1));
                make("named B A", &|| Other::<(B, A)>::rate(&inner::Pg, 1));
                make("generic A", &|| generic::rate::<A>(1));
                make("generic B", &|| generic::rate::<B>(1));
                make("template A B", &|| generic::rates::<A, B>(1));
                make("template B A", &|| generic::rates::<B, A>(1));
                one(calls);
                two(calls);
            }
        }
    };
}

module!(first);
module!(second);
module!(third);
module!(fourth);

fn call_all(cache: Cache) -> Calls {
    let mut calls = Calls::new(cache);
    first::call_all(&mut calls);
    second::call_all(&mut calls);
    third::call_all(&mut calls);
    fourth::call_all(&mut calls);
    assert!(calls.texts.len() > 150, "{}", calls.texts.len());
    calls
}

#[test]
fn no_two_functions_share_a_key() {
    call_all(Cache::in_memory());
    let server = Server::start();
    call_all(Cache::new(server.config()).unwrap());
}

/// The table was written by another build, in another folder. `WRITE_KEYS=1` writes it anew, which a
/// new compiler may ask for: only keys with a type in them may change then.
#[test]
fn keys_of_every_build_are_equal() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/names/shapes.txt");
    let calls = call_all(Cache::in_memory());
    let lines = calls
        .texts
        .iter()
        .map(|(key, text)| format!("{key}\t{text}\n"));
    let table: String = lines.collect();
    if std::env::var_os("WRITE_KEYS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}
