//! Says no. Every mistake is reported, and what is left over is a plan without open questions.

use crate::args::{Absence, Args, Companion as Asked, Lease, Near, Ttl, type_of_value};
use crate::error::Errors;
use crate::literal::peel;
use crate::plan::{Home, Name, Plan, Setting, StoreIf};
use crate::target::Target;
use crate::types;
use quote::ToTokens;
use syn::Expr;
use syn::ext::IdentExt;

mod arguments;
mod behind;
mod companion;
mod function;
mod key;
mod parameters;
mod unit;

use arguments::Arguments;

pub(crate) fn check(
    mut args: Args,
    target: Target,
    item: u64,
    errors: &mut Errors,
) -> Option<Plan> {
    let is_method = is_method(&args, &target);
    function::check(&target, errors);
    companion_option(&args, is_method, &target, errors);
    none_option(&args, &target, errors);
    unit::check(&args, &target, errors);
    jitter_option(&args, errors);
    let keyed = key::check(&mut args, &target, errors);
    let is_inline = is_method || matches!(args.companion, Asked::Off);
    let behind = behind::check(&args, is_inline, &target, errors);
    if !errors.is_empty() {
        return None;
    }

    let (ttl, in_ttl) = companion::ttl(&args.ttl, Arguments::of(&target));
    let beside = |name| companion::companion(name, &keyed, (&args.ttl, &in_ttl), &target);
    let home = match &args.companion {
        _ if is_method => Home::Method,
        Asked::Off => Home::Alone,
        Asked::Default => Home::Companion(Box::new(beside(target.sig.ident.clone()))),
        Asked::Named(name) => Home::Companion(Box::new(beside(name.clone()))),
    };
    let settings = settings(&args);
    let near = !matches!(args.near, Near::Off);
    let store_if = args.store_if.map(|test| store_if(test, &target));
    let name = args.name.map_or_else(
        || Name::Path(target.sig.ident.unraw().to_string(), item),
        Name::Given,
    );
    Some(Plan {
        krate: args.krate,
        home,
        name,
        settings,
        call: keyed.call,
        ttl,
        store_if,
        near,
        lossy: args.lossy,
        cache_unit: args.cache_unit.is_some(),
        behind,
        target,
    })
}

fn is_method(args: &Args, target: &Target) -> bool {
    args.method || args.self_type || target.receiver().is_some() || target.mentions_self_type()
}

fn companion_option(args: &Args, is_method: bool, target: &Target, errors: &mut Errors) {
    match &args.companion {
        Asked::Named(name) if is_method => errors.on(
            name,
            "a method has no companion; its cache is reached by the call itself, as in \
             `cache_runtime::invalidate(repo.load(7))`",
        ),
        Asked::Named(_) | Asked::Default if !is_method => {
            function::names_lifetimes(target, errors);
        }
        _ => {}
    }
}

fn none_option(args: &Args, target: &Target, errors: &mut Errors) {
    if let Absence::Stored(span) | Absence::StoredFor(_, span) = args.none
        && types::is_unit(types::success(&target.returns))
    {
        errors.at(
            span,
            "`none` is about an `Option`, and this function returns nothing",
        );
    }
}

fn jitter_option(args: &Args, errors: &mut Errors) {
    // The absence of a value may live for a time of its own.
    let has_ttl = args.is_given("ttl") || matches!(args.none, Absence::StoredFor(..));
    if let Some((jitter, _)) = &args.jitter
        && !has_ttl
    {
        errors.at(
            jitter.span(),
            "`jitter` takes off some of the `ttl`; give a `ttl` too",
        );
    }
}

fn store_if(test: Expr, target: &Target) -> StoreIf {
    if let Some(value) = type_of_value(&test) {
        let closure = test;
        return StoreIf::Closure { closure, value };
    }
    let in_arguments = Arguments::of(target).mentioned(&test.to_token_stream());
    match peel(&test) {
        Expr::Path(_) if in_arguments.is_empty() => StoreIf::Function(test),
        _ => StoreIf::Other(test),
    }
}

fn settings(args: &Args) -> Vec<Setting> {
    let version = args.version.clone().map(Setting::Version);
    let ttl = match args.ttl {
        Ttl::Millis(millis) => Some(Setting::Ttl(millis)),
        Ttl::None | Ttl::Expr(_) | Ttl::Closure(..) => None,
    };
    let none = match args.none {
        Absence::Passed => None,
        Absence::Stored(_) => Some(Setting::StoreNone),
        Absence::StoredFor(millis, _) => Some(Setting::StoreNoneFor(millis)),
    };
    let jitter = args
        .jitter
        .as_ref()
        .map(|(_, percent)| Setting::Jitter(*percent));
    let stale = args
        .stale
        .as_ref()
        .map(|(_, millis)| Setting::Stale(*millis));
    let lease = match args.lease {
        Lease::Default => None,
        Lease::Off => Some(Setting::NoLease),
        Lease::Millis(millis) => Some(Setting::Lease(millis)),
    };
    let follow = args.follow.map(Setting::Follow);
    let near = match args.near {
        Near::Off => None,
        Near::On => Some(Setting::Near),
        Near::Millis(millis) => Some(Setting::NearFor(millis)),
    };
    [version, ttl, none, jitter, stale, lease, follow, near]
        .into_iter()
        .flatten()
        .collect()
}
