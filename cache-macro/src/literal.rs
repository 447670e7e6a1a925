//! Literals, wherever `macro_rules!`, parentheses and `concat!` have put them.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprMacro, Lit, LitStr, Token, Type};

/// `$k:expr` arrives in a group without delimiters.
pub(crate) fn peel(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => peel(&group.expr),
        Expr::Paren(paren) => peel(&paren.expr),
        expr => expr,
    }
}

pub(crate) fn peel_type(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel_type(&group.elem),
        Type::Paren(paren) => peel_type(&paren.elem),
        ty => ty,
    }
}

pub(crate) fn literal(expr: &Expr) -> Option<&Lit> {
    match peel(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

/// A string literal, also one put together by `concat!`.
pub(crate) fn text(expr: &Expr) -> Option<LitStr> {
    match peel(expr) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        Expr::Macro(call) => concat(call).map(|text| LitStr::new(&text, call.span())),
        _ => None,
    }
}

fn concat(call: &ExprMacro) -> Option<String> {
    if call.mac.path.segments.last()?.ident != "concat" {
        return None;
    }
    Punctuated::<Expr, Token![,]>::parse_terminated
        .parse2(call.mac.tokens.clone())
        .ok()?
        .iter()
        .map(|part| match peel(part) {
            Expr::Macro(call) => concat(call),
            part => display(literal(part)?),
        })
        .collect()
}

fn display(literal: &Lit) -> Option<String> {
    match literal {
        Lit::Str(text) => Some(text.value()),
        Lit::Char(char) => Some(char.value().into()),
        Lit::Int(int) => Some(int.base10_digits().into()),
        Lit::Float(float) => Some(float.base10_digits().into()),
        Lit::Bool(bool) => Some(bool.value.to_string()),
        _ => None,
    }
}
