//! What can be seen in tokens without understanding them.

use proc_macro2::{Delimiter, Group, Ident, Literal, Spacing, TokenStream, TokenTree};
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
            let ends_item = group.delimiter() == Delimiter::Brace;
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

/// A hash of the tokens as they are written, whatever stands between them: FNV-1a, which is the same
/// in every build.
pub(crate) fn hash(all: [&TokenStream; 2]) -> u64 {
    fn add(hash: &mut u64, text: &str) {
        // What ends a text is no part of one.
        for byte in text.bytes().chain([0xff]) {
            *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn add_all(hash: &mut u64, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    add(hash, open);
                    add_all(hash, group.stream());
                    add(hash, close);
                }
                token => add(hash, &token.to_string()),
            }
        }
    }
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for tokens in all {
        add_all(&mut hash, tokens.clone());
        add(&mut hash, "");
    }
    hash
}

/// The first `static` of an item; `'static` is none.
pub(crate) fn find_static(tokens: TokenStream) -> Option<Ident> {
    let mut after_quote = false;
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) => {
            let is_item = !after_quote && ident == "static";
            after_quote = false;
            is_item.then_some(ident)
        }
        TokenTree::Punct(punct) => {
            after_quote = punct.as_char() == '\'';
            None
        }
        TokenTree::Group(group) => find_static(group.stream()),
        TokenTree::Literal(_) => None,
    })
}

/// The tokens with another name for `self`, where that is the value around them: not the start of a
/// path, and not the `self` of an item in there.
pub(crate) fn rename_self(tokens: TokenStream, name: &Ident) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut renamed = TokenStream::new();
    let mut inside_item = false;
    let mut after_bang = false;
    while let Some(token) = tokens.next() {
        let path = matches!(tokens.peek(), Some(TokenTree::Punct(next))
            if next.as_char() == ':' && next.spacing() == Spacing::Joint);
        let is_bang = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '!');
        let token = match token {
            TokenTree::Ident(ident) if ident == "self" && !path && !inside_item => {
                Ident::new(&name.to_string(), name.span().located_at(ident.span())).into()
            }
            TokenTree::Ident(ident) => {
                inside_item |= ident == "impl" || ident == "trait";
                ident.into()
            }
            TokenTree::Group(group) if !inside_item => {
                let inside = rename_self(group.stream(), name);
                let inside = if after_bang {
                    rename_self_in_formats(inside, name)
                } else {
                    inside
                };
                let mut other = Group::new(group.delimiter(), inside);
                other.set_span(group.span());
                other.into()
            }
            TokenTree::Group(group) => {
                inside_item = group.delimiter() != Delimiter::Brace;
                group.into()
            }
            token => token,
        };
        after_bang = is_bang;
        renamed.extend([token]);
    }
    renamed
}

/// `println!("{self}")`: the literals among the tokens of a macro call.
fn rename_self_in_formats(tokens: TokenStream, name: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Literal(literal) if formats(&literal.to_string(), "self") => {
                let text = literal.to_string();
                let text = text.replace("{self}", &format!("{{{name}}}"));
                let text = text.replace("{self:", &format!("{{{name}:"));
                let mut other: Literal = text.parse().unwrap_or_else(|_| literal.clone());
                other.set_span(name.span().located_at(literal.span()));
                other.into()
            }
            token => token,
        })
        .collect()
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
    fn a_static_is_an_item_and_not_a_lifetime() {
        assert!(
            find_static(quote!({
                static RUNS: u8 = 0;
            }))
            .is_some()
        );
        assert!(find_static(quote!(f::<&'static str>())).is_none());
    }

    #[test]
    fn self_is_renamed_where_it_is_a_value() {
        let name = Ident::new("this", proc_macro2::Span::call_site());
        let renamed = rename_self(quote!(f(&self.a, self::b(), { self })), &name);
        let expected = quote!(f(&this.a, self::b(), { this }));
        assert_eq!(renamed.to_string(), expected.to_string());
    }

    #[test]
    fn self_is_renamed_in_format_strings() {
        let name = Ident::new("this", proc_macro2::Span::call_site());
        let renamed = rename_self(quote!(format!("{self} {self:?} {id}") + "{self}"), &name);
        let expected = quote!(format!("{this} {this:?} {id}") + "{self}");
        assert_eq!(renamed.to_string(), expected.to_string());
    }

    #[test]
    fn self_of_an_inner_item_keeps_its_name() {
        let name = Ident::new("this", proc_macro2::Span::call_site());
        let renamed = rename_self(
            quote! { impl Node { fn id(&self) -> u8 { self.0 } } Node(self.id).id() },
            &name,
        );
        let expected = quote! { impl Node { fn id(&self) -> u8 { self.0 } } Node(this.id).id() };
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
