//! The syntax of a key: names, a template, or an expression.

use crate::literal;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Error, Expr, LitStr, Member, Result};

pub(crate) enum Key {
    /// `()`: one value for every call.
    Constant,
    /// `"tenant, user.id"`, or the same as an expression.
    List(Vec<Place>),
    /// `"user:{user.id}:{lang}"`.
    Template(Vec<Piece>),
    /// Anything else; the elements of a tuple are parts of their own.
    Values(Vec<Expr>),
}

pub(crate) enum Piece {
    Text(String),
    Place(Place),
}

/// An argument, or a field somewhere inside it.
pub(crate) struct Place {
    /// The name of the argument without `r#`.
    pub(crate) root: String,
    pub(crate) fields: Vec<Member>,
    pub(crate) span: Span,
}

/// Escaped in every part, so that a part never contains one.
const SEPARATORS: &[char] = &[':', '/', '|', '#', ';', '@', ' '];

pub(crate) fn parse(expr: &Expr) -> Result<Key> {
    if let Some(text) = literal::text(expr) {
        return parse_text(&text);
    }
    let elements: Vec<&Expr> = match literal::peel(expr) {
        Expr::Tuple(tuple) if tuple.elems.is_empty() => return Ok(Key::Constant),
        Expr::Tuple(tuple) => tuple.elems.iter().collect(),
        expr => vec![expr],
    };
    let places: Option<Vec<Place>> = elements.iter().map(|element| place_of(element)).collect();
    Ok(match places {
        Some(places) => Key::List(places),
        None => Key::Values(elements.into_iter().cloned().collect()),
    })
}

/// `user.id` and `&user.id`, but not `user.id()`.
fn place_of(expr: &Expr) -> Option<Place> {
    match literal::peel(expr) {
        Expr::Path(path) => {
            let ident = path.path.get_ident()?;
            Some(Place {
                root: ident.unraw().to_string(),
                fields: Vec::new(),
                span: ident.span(),
            })
        }
        Expr::Field(field) => {
            let mut place = place_of(&field.base)?;
            place.fields.push(field.member.clone());
            Some(place)
        }
        Expr::Reference(reference) if reference.mutability.is_none() => place_of(&reference.expr),
        _ => None,
    }
}

fn parse_text(text: &LitStr) -> Result<Key> {
    let value = text.value();
    let refuse = |advice: String| Error::new(text.span(), advice);
    if value.trim().is_empty() {
        return Err(refuse(
            "the key is empty; leave `key` out to use all arguments".into(),
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(refuse("a key cannot hold control characters".into()));
    }
    if value.contains(['{', '}']) {
        let pieces = template(&value, text.span()).map_err(refuse)?;
        return Ok(Key::Template(pieces));
    }
    value
        .split(',')
        .map(|name| place(name, text.span()))
        .collect::<std::result::Result<_, _>>()
        .map(Key::List)
        .map_err(refuse)
}

type Spoken<T> = std::result::Result<T, String>;

/// `req.user.id`
fn place(text: &str, span: Span) -> Spoken<Place> {
    let mut names = text.split('.').map(str::trim);
    let root = names.next().unwrap_or_default();
    if root.is_empty() {
        return Err("the name of an argument is missing next to `,`".into());
    }
    let root = name(root).ok_or_else(|| no_name(root))?.unraw().to_string();
    let fields = names
        .map(|name| member(name, span))
        .collect::<Spoken<_>>()?;
    Ok(Place { root, fields, span })
}

fn no_name(text: &str) -> String {
    let advice = if text.contains(SEPARATORS) {
        "; put braces around names, as in `user:{user_id}`"
    } else {
        ""
    };
    format!("`{text}` is not the name of an argument{advice}")
}

/// `type` is as good as `r#type`: a text has no keywords.
fn name(text: &str) -> Option<Ident> {
    Ident::parse_any.parse_str(text).ok()
}

fn field(text: &str) -> Option<Member> {
    if let Ok(member) = syn::parse_str(text) {
        return Some(member);
    }
    let never_raw = ["self", "Self", "super", "crate", "_"].contains(&text);
    let name = name(text).filter(|_| !never_raw)?;
    Some(Member::Named(Ident::new_raw(
        &name.to_string(),
        name.span(),
    )))
}

fn member(text: &str, span: Span) -> Spoken<Member> {
    let mut member = field(text).ok_or_else(|| format!("`{text}` is not the name of a field"))?;
    // A field of the user's own hygiene would let rustc offer to replace the whole literal by it.
    let span = Span::mixed_site().located_at(span);
    match &mut member {
        Member::Named(name) => name.set_span(span),
        Member::Unnamed(index) => index.span = span,
    }
    Ok(member)
}

fn template(text: &str, span: Span) -> Spoken<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut before: Option<&str> = None;
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, hole) = rest.split_at(open);
        let (name, after) = split_hole(hole)?;
        if let Some(before) = before.filter(|_| !literal.contains(SEPARATORS)) {
            return Err(format!(
                "`{{{before}}}{literal}{{{name}}}` can make one key out of different arguments; \
                 put `:` between them"
            ));
        }
        push_text(&mut pieces, literal);
        pieces.push(Piece::Place(place(name, span)?));
        before = Some(name);
        rest = after;
    }
    push_text(&mut pieces, rest);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

/// Takes `{name}` from the front.
fn split_hole(text: &str) -> Spoken<(&str, &str)> {
    const OWN_BRACES: &str = "a key cannot hold braces of its own";
    let inside = text
        .strip_prefix('{')
        .filter(|inside| !inside.starts_with('{'))
        .ok_or(OWN_BRACES)?;
    let end = inside
        .find(['{', '}'])
        .ok_or_else(|| format!("`{text}` is never closed"))?;
    let (name, rest) = inside.split_at(end);
    let rest = rest
        .strip_prefix('}')
        .ok_or_else(|| format!("`{{{name}` is never closed"))?;
    if name.trim().is_empty() {
        return Err("`{}` needs the name of an argument, as in `{user_id}`".into());
    }
    if let Some((name, _)) = name.split_once(':') {
        let name = name.trim();
        return Err(format!(
            "format specs have no place in a key; write `{{{name}}}`"
        ));
    }
    Ok((name.trim(), rest))
}

/// How a place is written, for messages.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.root)?;
        for field in &self.fields {
            write!(f, ".{}", field.to_token_stream())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(key: &str) -> String {
        let expr = syn::parse_str(key).expect("an expression");
        match parse(&expr) {
            Ok(Key::Constant) => "constant".into(),
            Ok(Key::List(places)) => {
                let places: Vec<_> = places.iter().map(ToString::to_string).collect();
                format!("list {}", places.join(" + "))
            }
            Ok(Key::Template(pieces)) => {
                let pieces: Vec<_> = pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text(text) => format!("{text:?}"),
                        Piece::Place(place) => place.to_string(),
                    })
                    .collect();
                format!("template {}", pieces.join(" + "))
            }
            Ok(Key::Values(values)) => format!("{} values", values.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_stand_in_a_list() {
        assert_eq!(shape("\"user_id\""), "list user_id");
        assert_eq!(shape("\"tenant, req.user.0\""), "list tenant + req.user.0");
        assert_eq!(shape("\"r#type\""), "list type");
        assert_eq!(shape("\"type.match\""), "list type.r#match");
        assert_eq!(shape("\"self.tenant\""), "list self.tenant");
    }

    #[test]
    fn an_expression_of_names_is_a_list() {
        assert_eq!(shape("user_id"), "list user_id");
        assert_eq!(shape("(tenant, &req.user.id)"), "list tenant + req.user.id");
        assert_eq!(shape("(a.0.1,)"), "list a.0.1");
    }

    #[test]
    fn braces_make_a_template() {
        assert_eq!(
            shape("\"user:{user.id}/{ lang }!\""),
            "template \"user:\" + user.id + \"/\" + lang + \"!\""
        );
    }

    #[test]
    fn a_literal_is_found_in_parentheses_and_concat() {
        assert_eq!(shape("((\"user_id\"))"), "list user_id");
        assert_eq!(
            shape("concat!(\"user\", ':', (\"{id}\"))"),
            "template \"user:\" + id"
        );
        assert_eq!(shape("concat!(env!(\"X\"))"), "1 values");
    }

    #[test]
    fn anything_else_is_an_expression() {
        assert_eq!(shape("format!(\"x{n}\")"), "1 values");
        assert_eq!(shape("(a.id(), b)"), "2 values");
        assert_eq!(shape("()"), "constant");
    }

    #[test]
    fn what_is_no_key_is_explained() {
        for (key, part) in [
            ("\" \"", "the key is empty"),
            ("\"a,,b\"", "missing next to `,`"),
            ("\"user:id\"", "put braces around names"),
            ("\"a.\"", "`` is not the name of a field"),
            ("\"9\"", "`9` is not the name of an argument"),
            ("\"{a}{b}\"", "`{a}{b}` can make one key"),
            ("\"{a}-{b}\"", "`{a}-{b}` can make one key"),
            ("\"{a:?}\"", "write `{a}`"),
            ("\"{a\"", "`{a` is never closed"),
            ("\"{a{b}}\"", "`{a` is never closed"),
            ("\"{}\"", "needs the name of an argument"),
            ("\"{{a}}\"", "braces of its own"),
            ("\"a}\"", "braces of its own"),
            ("\"a\\n{b}\"", "control characters"),
        ] {
            let answer = shape(key);
            assert!(answer.contains(part), "{key}: {answer}");
        }
    }
}
