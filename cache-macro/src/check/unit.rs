//! Functions that return nothing: a hit would only leave out what they do.

use crate::args::Args;
use crate::error::Errors;
use crate::literal::peel_type;
use crate::target::Target;
use crate::types;
use syn::{ReturnType, Type};

pub(super) fn check(args: &Args, target: &Target, errors: &mut Errors) {
    let answer = types::success(&target.returns);
    match &args.cache_unit {
        // Of a function that returns nothing, `none` is a mistake by itself.
        None if types::is_unit(answer) && !args.is_given("none") => {
            const REFUSED: &str = "this function returns nothing that a hit could give; return what it finds or makes, \
                 or, where the `Ok` itself is the answer as in `authorize(..) -> Result<(), Denied>`, \
                 say `cache_unit`";
            match &target.sig.output {
                ReturnType::Type(_, returns) => errors.on(returns, REFUSED),
                ReturnType::Default => errors.on(&target.sig.ident, REFUSED),
            }
        }
        Some(option) if is_value(answer) => errors.on(
            option,
            "`cache_unit` is about a function that returns nothing, and this one returns a value; \
             leave it out",
        ),
        _ => {}
    }
}

/// Whether it is certainly not `()`: a name may be an alias of that.
fn is_value(ty: &Type) -> bool {
    const VALUES: &[&str] = &["Option", "String", "Vec", "HashMap", "BTreeMap"];
    match peel_type(ty) {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Array(_) | Type::Reference(_) => true,
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            types::is_sure_key(ty) || VALUES.iter().any(|value| last.ident == value)
        }),
        _ => false,
    }
}
