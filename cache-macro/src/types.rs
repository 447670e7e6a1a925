//! Questions about types that their syntax answers.

use crate::literal::peel_type;
use crate::target::generic_of;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericParam, Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeImplTrait,
    TypeParamBound, TypeReference,
};

/// What is inside of `Result<T, _>`, `Option<T>` and both, whatever the path before them.
pub(crate) fn value(ty: &Type) -> &Type {
    let ty = success(ty);
    generic_of(ty, "Option").unwrap_or(ty)
}

/// `T` of `Result<T, _>`, else the type itself.
pub(crate) fn success(ty: &Type) -> &Type {
    generic_of(ty, "Result").unwrap_or(ty)
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(peel_type(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// The first borrow inside a type: a reference, or a type with a lifetime that is not `'static`.
pub(crate) fn borrow(ty: &Type) -> Option<String> {
    let found = look(ty);
    found.reference.or(found.lifetime)
}

pub(crate) fn has_elided_lifetime(ty: &Type) -> bool {
    look(ty).elided
}

/// Whether `impl Trait<This>` would not mean what `This` means as the type of an argument.
pub(crate) fn has_own_meaning_in_signatures(ty: &Type) -> bool {
    has_elided_lifetime(ty) || has_impl_trait(ty)
}

/// Whether the type can be part of a key for sure, so that no error will be about it.
pub(crate) fn is_sure_key(ty: &Type) -> bool {
    const SURE: &[&str] = &[
        "bool", "char", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64",
        "u128", "usize",
    ];
    matches!(peel_type(ty), Type::Path(path) if SURE.iter().any(|sure| path.path.is_ident(sure)))
}

/// Whether each value of the type writes something as a part of a key, as far as the type is known here.
pub(crate) fn is_never_nothing(ty: &Type) -> bool {
    match peel_type(ty) {
        Type::Reference(reference) => is_never_nothing(&reference.elem),
        Type::Path(path) if path.path.is_ident("str") || path.path.is_ident("String") => true,
        ty => is_sure_key(ty),
    }
}

pub(crate) fn has_impl_trait(ty: &Type) -> bool {
    look(ty).impl_trait
}

pub(crate) fn has_exclusive_reference(ty: &Type) -> bool {
    look(ty).exclusive
}

pub(crate) fn is_future(ty: &TypeImplTrait) -> bool {
    ty.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Future"),
        _ => false,
    })
}

#[derive(Default)]
struct Look {
    reference: Option<String>,
    lifetime: Option<String>,
    elided: bool,
    impl_trait: bool,
    exclusive: bool,
}

fn look(ty: &Type) -> Look {
    let mut look = Look::default();
    look.visit_type(ty);
    look
}

impl Visit<'_> for Look {
    fn visit_type_reference(&mut self, ty: &TypeReference) {
        self.elided |= ty.lifetime.is_none();
        self.exclusive |= ty.mutability.is_some();
        self.reference.get_or_insert_with(|| spell(ty));
        visit::visit_type_reference(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        self.elided |= lifetime.ident == "_";
        if lifetime.ident != "static" {
            self.lifetime.get_or_insert_with(|| lifetime.to_string());
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
        self.impl_trait = true;
        visit::visit_type_impl_trait(self, ty);
    }

    // These have lifetimes of their own.
    fn visit_type_fn_ptr(&mut self, _: &TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &ParenthesizedGenericArguments) {}
}

/// Puts a lifetime wherever one was left out.
pub(crate) fn name_lifetimes(ty: &mut Type, lifetime: &Lifetime) {
    struct Name<'a>(&'a Lifetime);
    impl VisitMut for Name<'_> {
        fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
            ty.lifetime.get_or_insert_with(|| self.0.clone());
            visit_mut::visit_type_reference_mut(self, ty);
        }
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident == "_" {
                *lifetime = self.0.clone();
            }
        }
        fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments_mut(
            &mut self,
            _: &mut ParenthesizedGenericArguments,
        ) {
        }
    }
    Name(lifetime).visit_type_mut(ty);
}

/// A type as a person writes it; tokens print with blanks between all of them.
pub(crate) fn spell(ty: &impl ToTokens) -> String {
    let text = ty.to_token_stream().to_string();
    [
        ("& ", "&"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" ::", "::"),
        (":: ", "::"),
    ]
    .iter()
    .fold(text, |text, (from, to)| text.replace(from, to))
}

/// A parameter of a type or of a function, as an argument of it.
pub(crate) fn argument(param: &GenericParam) -> TokenStream {
    match param {
        GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
        GenericParam::Type(param) => param.ident.to_token_stream(),
        // Without braces, a type of the same name would be taken for it.
        GenericParam::Const(param) => {
            let name = &param.ident;
            quote_spanned!(Span::mixed_site()=> { #name })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn a_value_stands_inside_result_and_option() {
        for ty in [
            "T",
            "Option<T>",
            "anyhow::Result<T>",
            "Result<Option<T>, E>",
        ] {
            let ty = syn::parse_str(ty).expect("a type");
            assert_eq!(spell(value(&ty)), "T");
        }
    }

    #[test]
    fn borrows_are_seen_where_they_matter() {
        assert_eq!(
            borrow(&parse_quote!(Vec<&'a str>)).as_deref(),
            Some("&'a str")
        );
        assert_eq!(borrow(&parse_quote!(Cow<'a, str>)).as_deref(), Some("'a"));
        assert_eq!(borrow(&parse_quote!(Cow<'static, str>)), None);
        assert_eq!(borrow(&parse_quote!(Box<dyn Fn(&str) -> u8>)), None);
    }

    #[test]
    fn left_out_lifetimes_can_be_named() {
        let mut ty: Type = parse_quote!((&str, Cow<'_, [u8]>, fn(&u8)));
        name_lifetimes(&mut ty, &parse_quote!('a));
        assert_eq!(spell(&ty), "(&'a str, Cow<'a, [u8]>, fn (&u8))");
    }
}
