//! What can be seen in tokens without understanding them.

use proc_macro2::{Group, Ident, Spacing, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// Whether `name` (without `r#`) is used, also inside a format string; a field or a method of that
/// name is something else.
pub(crate) fn mention(tokens: TokenStream, name: &str) -> bool {
    let mut dots = 0;
    tokens.into_iter().any(|token| {
        let after_dot = dots == 1;
        dots = match &token {
            TokenTree::Punct(punct) if punct.as_char() == '.' => dots + 1,
            _ => 0,
        };
        match token {
            TokenTree::Ident(ident) => !after_dot && ident.unraw() == name,
            TokenTree::Group(group) => mention(group.stream(), name),
            TokenTree::Literal(literal) => formats(&literal.to_string(), name),
            TokenTree::Punct(_) => false,
        }
    })
}

/// `"x{n}"` and `"{n:?}"` use `n`.
fn formats(literal: &str, name: &str) -> bool {
    literal.contains('"')
        && literal.split('{').skip(1).any(|hole| {
            hole.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['}', ':', '.']))
        })
}

/// Whether `Self` is used, and means the type around the function and not one declared inside it.
pub(crate) fn mention_self_type(tokens: TokenStream) -> bool {
    let mut inside_item = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            inside_item |= ["impl", "trait", "struct", "enum", "union"]
                .iter()
                .any(|keyword| ident == keyword);
            !inside_item && ident == "Self"
        }
        TokenTree::Group(group) => {
            let ends_item = group.delimiter() == proc_macro2::Delimiter::Brace;
            let found = !inside_item && mention_self_type(group.stream());
            inside_item &= !ends_item;
            found
        }
        TokenTree::Punct(punct) => {
            inside_item &= punct.as_char() != ';';
            false
        }
        TokenTree::Literal(_) => false,
    })
}

/// The tokens with another name for `self`, where that is the value and not the start of a path.
pub(crate) fn rename_self(tokens: TokenStream, name: &Ident) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut renamed = TokenStream::new();
    while let Some(token) = tokens.next() {
        let path = matches!(tokens.peek(), Some(TokenTree::Punct(next))
            if next.as_char() == ':' && next.spacing() == Spacing::Joint);
        let token = match token {
            TokenTree::Ident(ident) if ident == "self" && !path => {
                Ident::new(&name.to_string(), name.span().located_at(ident.span())).into()
            }
            TokenTree::Group(group) => {
                let inside = rename_self(group.stream(), name);
                let mut other = Group::new(group.delimiter(), inside);
                other.set_span(group.span());
                other.into()
            }
            token => token,
        };
        renamed.extend([token]);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_name_is_found_where_it_is_a_variable() {
        assert!(mention(quote!(f(n)), "n"));
        assert!(mention(quote!(0..n), "n"));
        assert!(mention(quote!(format!("x{n:?}")), "n"));
        assert!(mention(quote!(r#type + 1), "type"));
        assert!(!mention(quote!(user.n), "n"));
        assert!(!mention(quote!(format!("x{nn}")), "n"));
        assert!(!mention(quote!("n"), "n"));
    }

    #[test]
    fn self_is_renamed_where_it_is_a_value() {
        let name = Ident::new("this", proc_macro2::Span::call_site());
        let renamed = rename_self(quote!(f(&self.a, self::b(), { self })), &name);
        let expected = quote!(f(&this.a, self::b(), { this }));
        assert_eq!(renamed.to_string(), expected.to_string());
    }

    #[test]
    fn self_of_an_inner_item_is_not_ours() {
        assert!(mention_self_type(quote!(Self::helper(id))));
        assert!(mention_self_type(quote!(
            let f: fn(u8) -> u8 = Self::helper;
        )));
        assert!(!mention_self_type(quote!(
            struct Node(Option<Box<Self>>);
            impl Node { fn new() -> Self { Self(None) } }
            Node::new()
        )));
        assert!(mention_self_type(quote!(struct Unit;, Self::helper(id))));
    }
}
