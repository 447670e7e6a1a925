//! The value of each option.

use super::{Absence, Companion, Lease, Near, Skip, Ttl};
use crate::literal::{literal, peel, peel_type, text};
use crate::{duration, words};
use proc_macro2::Ident;
use quote::ToTokens;
use std::fmt::Display;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{
    Error, Expr, ExprClosure, Lit, LitBool, LitInt, LitStr, Pat, Path, Result, Token, Type, UnOp,
    parenthesized,
};

/// The expression after `option =`.
pub(super) fn expr(option: &Ident, input: ParseStream) -> Result<Expr> {
    equals(option, input)?;
    input.parse()
}

fn equals(option: &Ident, input: ParseStream) -> Result<()> {
    let example = words::example(&option.to_string());
    let needs_value = |span| Error::new(span, format!("`{option}` needs a value: `{example}`"));
    if !input.peek(Token![=]) {
        return Err(needs_value(option.span()));
    }
    let equals: Token![=] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(needs_value(equals.span));
    }
    Ok(())
}

fn refuse<T>(tokens: impl ToTokens, advice: impl Display) -> Result<T> {
    Err(Error::new_spanned(tokens, advice))
}

/// `method`, or `method = true`.
pub(super) fn flag(option: &Ident, input: ParseStream) -> Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    let expr = expr(option, input)?;
    match literal(&expr) {
        Some(Lit::Bool(flag)) => Ok(flag.value),
        _ => refuse(expr, format!("`{option}` stands alone, or is `false`")),
    }
}

pub(super) fn skip(option: Ident, input: ParseStream) -> Result<Skip> {
    if !input.peek(syn::token::Paren) {
        return refuse(option, "arguments to skip are written `skip(db, log)`");
    }
    let inside;
    parenthesized!(inside in input);
    if inside.is_empty() {
        return refuse(option, "`skip` is empty; leave it out to use all arguments");
    }
    let names = Punctuated::parse_terminated(&inside)
        .map_err(|error| Error::new(error.span(), "expected the name of an argument"))?;
    Ok(Skip { option, names })
}

pub(super) fn ttl(option: &Ident, input: ParseStream) -> Result<Ttl> {
    let expr = expr(option, input)?;
    match peel(&expr) {
        Expr::Closure(closure) => {
            let value = value_of(closure)?;
            Ok(Ttl::Closure(expr, value))
        }
        Expr::Lit(_) | Expr::Unary(_) | Expr::Macro(_) => match millis(option, &expr)? {
            Some(millis) => Ok(Ttl::Millis(millis)),
            None => Ok(Ttl::Expr(expr)),
        },
        _ => Ok(Ttl::Expr(expr)),
    }
}

/// `User` of `|user: &User| ..`, where that is what stands there.
pub(crate) fn type_of_value(closure: &Expr) -> Option<Box<Type>> {
    match peel(closure) {
        Expr::Closure(closure) => value_of(closure).ok(),
        _ => None,
    }
}

fn value_of(closure: &ExprClosure) -> Result<Box<Type>> {
    const WRITTEN: &str = "a `ttl` closure takes the value by its type: `|user: &User| ..`";
    let mut inputs = closure.inputs.iter();
    let (Some(Pat::Type(input)), None) = (inputs.next(), inputs.next()) else {
        let bar = closure.inputs_begin;
        return Err(Error::new(bar.span, WRITTEN));
    };
    match peel_type(&input.ty) {
        Type::Reference(reference) if reference.mutability.is_none() => Ok(reference.elem.clone()),
        ty => refuse(ty, WRITTEN),
    }
}

/// A duration that is known here: a text, or whole seconds. Anything else is `None`.
fn millis(option: &Ident, expr: &Expr) -> Result<Option<u64>> {
    if let Expr::Unary(unary) = peel(expr)
        && matches!(unary.op, UnOp::Neg(_))
    {
        return refuse(expr, format!("`{option}` cannot be negative"));
    }
    if let Some(text) = text(expr) {
        let millis = duration::millis(&text.value());
        return positive(option, expr, millis).map(Some);
    }
    match literal(expr) {
        Some(Lit::Int(int)) => {
            let seconds = seconds(option, int)?;
            positive(option, expr, duration::seconds(seconds)).map(Some)
        }
        Some(Lit::Float(float)) => {
            let unit = if float.suffix().is_empty() { "s" } else { "" };
            refuse(float, format!("write `{option} = \"{float}{unit}\"`"))
        }
        Some(other) => refuse(other, format!("this is no duration; write `{option} = 60`")),
        None => Ok(None),
    }
}

fn seconds(option: &Ident, int: &LitInt) -> Result<u64> {
    let is_integer_type = int.suffix().starts_with(['u', 'i']);
    if !int.suffix().is_empty() && !is_integer_type {
        return refuse(int, format!("write `{option} = \"{int}\"`"));
    }
    int.base10_parse()
        .or_else(|_| refuse(int, format!("`{int}` is too long")))
}

fn positive(option: &Ident, expr: &Expr, millis: std::result::Result<u64, String>) -> Result<u64> {
    match (millis, option.to_string().as_str()) {
        (Ok(0), "ttl") => refuse(
            expr,
            "`ttl = 0` would expire at once; leave `ttl` out to keep values until they are \
             invalidated",
        ),
        (Ok(0), _) => refuse(expr, format!("`{option}` cannot be zero")),
        (Ok(millis), _) => Ok(millis),
        (Err(advice), _) => refuse(expr, advice),
    }
}

pub(super) fn absence(option: &Ident, input: ParseStream) -> Result<Absence> {
    let expr = expr(option, input)?;
    if let Some(Lit::Bool(stored)) = literal(&expr) {
        return Ok(if stored.value {
            Absence::Stored(option.span())
        } else {
            Absence::Passed
        });
    }
    match millis(option, &expr)? {
        Some(millis) => Ok(Absence::StoredFor(millis, option.span())),
        None => refuse(
            expr,
            "`none` is `true` or a duration, as in `none = \"30s\"`",
        ),
    }
}

pub(super) fn jitter(option: &Ident, input: ParseStream) -> Result<u8> {
    let expr = expr(option, input)?;
    let percent = text(&expr).and_then(|text| {
        let value = text.value();
        value.trim().strip_suffix('%')?.trim().parse().ok()
    });
    match percent {
        Some(percent @ 0..=99) => Ok(percent),
        _ => refuse(
            expr,
            "`jitter` is a share of the ttl from `0%` to `99%`, as in `jitter = \"10%\"`",
        ),
    }
}

/// A closure, or the path of a function.
pub(super) fn test(option: &Ident, input: ParseStream) -> Result<Expr> {
    let expr = expr(option, input)?;
    match literal(&expr) {
        Some(_) => refuse(
            expr,
            "`store_if` tests the value, as in `store_if = |user: &User| user.active`",
        ),
        None => Ok(expr),
    }
}

pub(super) fn name(option: &Ident, input: ParseStream) -> Result<LitStr> {
    let expr = expr(option, input)?;
    let Some(name) = text(&expr) else {
        return refuse(expr, "a name is written `name = \"users\"`");
    };
    let value = name.value();
    if value.is_empty() {
        return refuse(expr, "the name is empty; leave `name` out to use the path");
    }
    if value.contains(['{', '}']) {
        return refuse(expr, "a name cannot hold braces");
    }
    if value.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return refuse(expr, "a name cannot hold spaces or control characters");
    }
    Ok(name)
}

pub(super) fn version(option: &Ident, input: ParseStream) -> Result<Expr> {
    const WRITTEN: &str = "a version is a whole number, as in `version = 1`, or a constant";
    let expr = expr(option, input)?;
    if let Expr::Unary(unary) = peel(&expr)
        && matches!(unary.op, UnOp::Neg(_))
    {
        return refuse(expr, WRITTEN);
    }
    let Some(literal) = literal(&expr) else {
        return Ok(expr);
    };
    let version = match literal {
        Lit::Int(int) => int.base10_parse::<u64>().ok().map(|version| (int, version)),
        _ => None,
    };
    let Some((int, version)) = version else {
        return refuse(expr, WRITTEN);
    };
    let int = LitInt::new(&format!("{version}u64"), int.span());
    Ok(syn::parse_quote!(#int))
}

pub(super) fn companion(option: &Ident, input: ParseStream) -> Result<Companion> {
    equals(option, input)?;
    if input.peek(LitBool) {
        let on = input.parse::<LitBool>()?.value;
        return Ok(if on {
            Companion::Default
        } else {
            Companion::Off
        });
    }
    let name = input.parse().map_err(|error| {
        let advice = "`companion` is a name or `false`, as in `companion = users`";
        Error::new(error.span(), advice)
    })?;
    Ok(Companion::Named(name))
}

/// `crate = ::cache`, and as other macros have it `crate = "::cache"`.
pub(super) fn path(option: &Ident, input: ParseStream) -> Result<Path> {
    equals(option, input)?;
    let path = if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        text.parse_with(Path::parse_mod_style)
    } else {
        input.call(Path::parse_mod_style)
    };
    path.map_err(|error| Error::new(error.span(), "`crate` is a path, as in `crate = ::cache`"))
}

/// A duration known at compile time, in milliseconds.
pub(super) fn duration(option: &Ident, input: ParseStream) -> Result<u64> {
    let expr = expr(option, input)?;
    compile_time(option, expr)
}

fn compile_time(option: &Ident, expr: Expr) -> Result<u64> {
    match millis(option, &expr)? {
        Some(millis) => Ok(millis),
        None => {
            let example = words::example(&option.to_string());
            refuse(
                expr,
                format!("`{option}` is a duration known at compile time, as in `{example}`"),
            )
        }
    }
}

/// A duration, or `false`.
pub(super) fn lease(option: &Ident, input: ParseStream) -> Result<Lease> {
    let expr = expr(option, input)?;
    match literal(&expr) {
        Some(Lit::Bool(on)) if on.value => Ok(Lease::Default),
        Some(Lit::Bool(_)) => Ok(Lease::Off),
        _ => compile_time(option, expr).map(Lease::Millis),
    }
}

/// `near`, or how old a copy may become.
pub(super) fn near(option: &Ident, input: ParseStream) -> Result<Near> {
    if !input.peek(Token![=]) {
        return Ok(Near::On);
    }
    let expr = expr(option, input)?;
    match literal(&expr) {
        Some(Lit::Bool(on)) if on.value => Ok(Near::On),
        Some(Lit::Bool(_)) => Ok(Near::Off),
        _ => compile_time(option, expr).map(Near::Millis),
    }
}
