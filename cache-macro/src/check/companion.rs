//! What stands beside the function, and what of the `ttl` it has to know.

use super::arguments::{Arguments, Use};
use super::key::Keyed;
use crate::args;
use crate::plan::{Companion, Param, PutValue, Ttl};
use crate::target::{Target, binds};
use crate::{tokens, types};
use proc_macro2::Ident;
use quote::ToTokens;
use syn::Expr;
use syn::ext::IdentExt;

/// The `ttl`, and the arguments that it looks at.
pub(super) fn ttl(given: &args::Ttl, arguments: Arguments<'_>) -> (Ttl, Vec<usize>) {
    match given {
        args::Ttl::None | args::Ttl::Millis(_) => (Ttl::Settled, Vec::new()),
        args::Ttl::Expr(expr) => {
            let mentioned = arguments.mentioned(&expr.to_token_stream());
            let ttl = Ttl::Early {
                expr: expr.clone(),
                bindings: arguments.bindings(mentioned.iter().copied()),
            };
            (ttl, mentioned)
        }
        args::Ttl::Closure(closure, value) => {
            let mentioned = captured(closure, arguments);
            let ttl = Ttl::Late {
                closure: closure.clone(),
                value: value.clone(),
            };
            (ttl, mentioned)
        }
    }
}

/// What a closure uses besides its own parameter.
fn captured(closure: &Expr, arguments: Arguments<'_>) -> Vec<usize> {
    let Expr::Closure(closure) = crate::literal::peel(closure) else {
        return Vec::new();
    };
    let own: Vec<Ident> = closure.inputs.iter().flat_map(binds).collect();
    let mut mentioned = arguments.mentioned(&closure.body.to_token_stream());
    mentioned.retain(|index| !own.contains(&arguments.all()[*index].name));
    mentioned
}

pub(super) fn companion(
    name: Ident,
    keyed: &Keyed,
    ttl: (&args::Ttl, &[usize]),
    target: &Target,
) -> Companion {
    let arguments = Arguments::of(target);
    let (given, in_ttl) = ttl;
    let mut for_put = keyed.used.clone();
    for index in in_ttl {
        for_put[*index] = Use::Inside;
    }
    let put_params = arguments.params(&for_put);
    let is_in_ttl = |param: &Param| {
        in_ttl
            .iter()
            .any(|index| arguments.all()[*index].name == param.name)
    };
    let names_type = |ttl: &Expr| {
        let mut params = target.sig.generics.type_params();
        params.any(|param| tokens::mention(ttl.to_token_stream(), &param.ident.unraw().to_string()))
    };
    let is_of_type = match given {
        args::Ttl::Expr(ttl) | args::Ttl::Closure(ttl, _) => names_type(ttl),
        args::Ttl::None | args::Ttl::Millis(_) => false,
    };
    let put_generics = match is_of_type || put_params.iter().any(is_in_ttl) {
        true => target.sig.generics.clone(),
        false => keyed.generics.clone(),
    };
    Companion {
        name,
        params: arguments.params(&keyed.used),
        generics: keyed.generics.clone(),
        put_generics,
        passing: keyed.passing,
        many: keyed.many,
        put_params,
        put_value: match given {
            args::Ttl::Closure(_, value) => PutValue::OfClosure(value.clone()),
            _ => PutValue::Kept,
        },
        value: types::value(&target.returns).clone(),
    }
}
