use super::answers;
use proc_macro2::TokenStream;
use quote::quote;

#[track_caller]
fn answered(options: TokenStream, expected: &[&str]) {
    let item = quote!(
        async fn load(user_id: u64, page: u32) -> u64 {
            body()
        }
    );
    let answers = answers(options, item);
    assert_eq!(answers.len(), expected.len(), "{answers:#?}");
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.contains(expected), "{answer:?} is not {expected:?}");
    }
}

#[test]
fn an_option_that_is_none_gets_a_proposal_or_our_word_for_it() {
    answered(
        quote!(tll = 60),
        &["unknown option `tll`; did you mean `ttl`?"],
    );
    answered(quote!(nmae = "x"), &["did you mean `name`?"]);
    answered(quote!(time = 60), &["here it is called `ttl`"]);
    answered(quote!(sync_writes), &["share one load without it"]);
    answered(
        quote!(hologram),
        &["unknown option `hologram`\noptions: key, skip"],
    );
}

#[test]
fn the_option_after_a_mistake_is_still_read() {
    answered(
        quote!(nmae = "x", ttl = 60s, jitter = 10, key = "user_idd"),
        &[
            "did you mean `name`?",
            "write `ttl = \"60s\"`",
            "share of the ttl",
            "`load` has no argument `user_idd`; did you mean `user_id`?\narguments: user_id, page",
        ],
    );
}

#[test]
fn a_comma_that_is_missing_is_one_mistake() {
    answered(
        quote!(ttl = 60 jitter = "10%"),
        &["expected `,` between options"],
    );
    answered(
        quote!(ttl = 60; jitter = "10%"),
        &["expected `,` between options"],
    );
}

#[test]
fn a_value_without_an_option_is_told_its_name() {
    answered(
        quote!("user_id", 60),
        &["`key = \"user_id\"`", "`ttl = 60`"],
    );
    answered(quote!(60s), &["`ttl = \"60s\"`"]);
    answered(quote!(+), &["expected the name of an option"]);
}

#[test]
fn near_stands_alone_or_is_an_age_known_at_compile_time() {
    answered(quote!(near), &[]);
    answered(quote!(near = true), &[]);
    answered(quote!(near = false), &[]);
    answered(quote!(near = "10s"), &[]);
    answered(quote!(near = 0), &["`near` cannot be zero"]);
    answered(
        quote!(near = AGE),
        &["`near` is a duration known at compile time"],
    );
}

#[test]
fn durations_of_the_load_are_known_at_compile_time() {
    answered(quote!(lease = false, follow = 10), &[]);
    answered(quote!(lease = "5s", follow = "1m"), &[]);
    answered(
        quote!(lease = LEASE),
        &["`lease` is a duration known at compile time"],
    );
    answered(quote!(follow = 0), &["`follow` cannot be zero"]);
    answered(quote!(stale = "5m"), &["give a `ttl` too"]);
    answered(quote!(jitter = "10%"), &["give a `ttl` too"]);
    answered(quote!(none = "30s", jitter = "10%"), &[]);
    answered(quote!(detach = 5), &["`detach` stands alone"]);
    answered(quote!(detach = false), &[]);
}

#[test]
fn skipping_everything_is_no_key() {
    answered(quote!(skip(user_id, page)), &["the same for every call"]);
    answered(quote!(skip()), &["`skip` is empty"]);
    answered(quote!(skip = db), &["written `skip(db, log)`"]);
    answered(quote!(skip(db)), &["`load` has no argument `db`"]);
}

#[test]
fn versions_are_whole_numbers() {
    answered(quote!(version = -1), &["a version is a whole number"]);
    answered(quote!(version = 1.5), &["a version is a whole number"]);
    answered(
        quote!(version = 99999999999999999999),
        &["a version is a whole number"],
    );
    answered(quote!(version = 7), &[]);
}

#[test]
fn a_failed_item_stays_as_it_was() {
    let item = quote!(
        async fn load(id: u64) -> u64 {
            body()
        }
    );
    let expansion = crate::expand::attribute(quote!(tll = 60), item.clone()).to_string();
    assert!(expansion.starts_with(&item.to_string()));
}

#[test]
fn a_derive_for_a_union_is_refused() {
    let derived = crate::derive::derive(quote!(union Id { a: u32 })).to_string();
    assert!(derived.contains("a union does not know which field it holds"));
}

#[test]
fn what_cannot_outlive_the_call_is_refused_where_it_stands() {
    let no_borrow = |name| {
        format!(
            "`stale` goes on after the caller has left, so `{name}` cannot borrow; take it by value"
        )
    };
    let of = |item| answers(quote!(key = "id", ttl = 60, stale = "5m"), item);
    assert_eq!(
        of(quote!(
            fn load(id: u64, a: &mut u8, b: Cow<'_, str>, c: &[&str]) -> u64 {}
        )),
        ["a", "b", "c"].map(no_borrow)
    );
    assert_eq!(
        of(quote!(
            fn load(self: Rc<Self>, id: u64) -> u64 {}
        )),
        ["`stale` goes on after the caller has left; take `self: Arc<Self>`, `self` or `&self`"]
    );
    assert_eq!(
        of(quote!(
            fn load(id: u64, db: &dyn Db) -> u64 {}
        )),
        [
            "`stale` goes on after the caller has left, and nothing copies a `dyn Db`; take an \
             `Arc<dyn Db>`"
        ]
    );
}

#[test]
fn each_duration_has_the_same_longest() {
    for option in ["ttl", "none", "stale", "near", "lease", "follow"] {
        let answers = |value: &str| {
            let ttl = if option == "ttl" { "" } else { "ttl = 60, " };
            let options = format!("{ttl}{option} = {value}").parse().unwrap();
            let item = quote!(
                async fn load(id: u64) -> Option<u64> {}
            );
            answers(options, item)
        };
        for longest in ["\"365000d\"", "31536000000"] {
            assert_eq!(answers(longest), [""; 0], "{option}");
        }
        for longer in ["365000d1ms", "400000d"] {
            let told = format!("`{longer}` is too long; the longest duration is `365000d`");
            assert_eq!(answers(&format!("{longer:?}")), [told], "{option}");
        }
        let told = "`31536000001` is too long; the longest duration is `365000d`";
        assert_eq!(answers("31536000001"), [told], "{option}");
    }
}
