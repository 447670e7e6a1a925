//! The arguments of the function, as options refer to them.

use crate::error::Errors;
use crate::literal::peel_type;
use crate::plan::{BindBy, Binding, Param, Taken};
use crate::target::{Arg, Shape, Target};
use crate::{tokens, types, words};
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{Pat, PatIdent, PatReference, Token, Type};

/// How far the options reach into an argument.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Unused,
    /// Only all of it.
    Whole,
    /// A field, a pattern or an expression, which need the declared type.
    Inside,
}

#[derive(Clone, Copy)]
pub(super) struct Arguments<'a>(&'a Target);

pub(super) struct Found<'a> {
    pub(super) index: usize,
    pub(super) arg: &'a Arg,
    /// The variable, which a pattern may have more of.
    pub(super) variable: &'a Ident,
}

impl<'a> Arguments<'a> {
    pub(super) fn of(target: &'a Target) -> Self {
        Self(target)
    }

    pub(super) fn all(self) -> &'a [Arg] {
        &self.0.args
    }

    pub(super) fn variables(self) -> impl Iterator<Item = Found<'a>> {
        self.all().iter().enumerate().flat_map(|(index, arg)| {
            arg.binds.iter().map(move |variable| Found {
                index,
                arg,
                variable,
            })
        })
    }

    pub(super) fn find(self, name: &str) -> Option<Found<'a>> {
        self.variables()
            .find(|found| found.variable.unraw() == name)
    }

    pub(super) fn unknown(self, name: &str, span: Span, errors: &mut Errors) {
        let known: Vec<String> = self
            .variables()
            .map(|found| found.variable.unraw().to_string())
            .collect();
        let function = self.0.sig.ident.unraw();
        let advice = words::nearest(name, known.iter().map(String::as_str))
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let list = if known.is_empty() {
            "it takes none that has a name".into()
        } else {
            format!("arguments: {}", known.join(", "))
        };
        errors.at(
            span,
            format!("`{function}` has no argument `{name}`{advice}\n{list}"),
        );
    }

    /// The arguments that these tokens use, by their place.
    pub(super) fn mentioned(self, tokens: &TokenStream) -> Vec<usize> {
        let mut mentioned: Vec<usize> = self
            .variables()
            .filter(|found| tokens::mention(tokens.clone(), &found.variable.unraw().to_string()))
            .map(|found| found.index)
            .collect();
        mentioned.dedup();
        mentioned
    }

    pub(super) fn param(self, index: usize, used: Use) -> Param {
        let arg = &self.all()[index];
        let (ty, taken) = match peel_type(&arg.ty) {
            Type::Reference(reference) => {
                let mut shared = reference.clone();
                shared.mutability = None;
                (Type::Reference(shared), Taken::ByReference)
            }
            ty if used == Use::Inside
                || types::has_own_meaning_in_signatures(ty)
                || self.is_generic(ty) =>
            {
                (arg.ty.clone(), Taken::AsDeclared)
            }
            _ => (arg.ty.clone(), Taken::Loosely),
        };
        Param {
            name: arg.name.clone(),
            ty,
            taken,
        }
    }

    /// What stands for a `T` does not tell the compiler what `T` is.
    fn is_generic(self, ty: &Type) -> bool {
        let ty = ty.to_token_stream();
        let mut params = self.0.sig.generics.type_params();
        params.any(|param| tokens::mention(ty.clone(), &param.ident.unraw().to_string()))
    }

    pub(super) fn params(self, used: &[Use]) -> Vec<Param> {
        used.iter()
            .enumerate()
            .filter(|(_, used)| **used != Use::Unused)
            .map(|(index, used)| self.param(index, *used))
            .collect()
    }

    /// Takes the patterns among these arguments apart.
    pub(super) fn bindings(self, indexes: impl IntoIterator<Item = usize>) -> Vec<Binding> {
        indexes
            .into_iter()
            .filter(|index| self.all()[*index].shape == Shape::Pattern)
            .map(|index| {
                let (pat, by) = borrowing(&self.all()[index].pat);
                let arg = self.param(index, Use::Inside);
                Binding { pat, arg, by }
            })
            .collect()
    }
}

/// The same pattern, moving nothing. A pattern with `&` in it says where each reference is, so its
/// variables can say `ref`; from any other the modifiers go, and the compiler finds the references.
fn borrowing(pat: &Pat) -> (Pat, BindBy) {
    struct HasReference(bool);
    impl Visit<'_> for HasReference {
        fn visit_pat_reference(&mut self, _: &PatReference) {
            self.0 = true;
        }
    }
    struct Modify(BindBy);
    impl VisitMut for Modify {
        fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
            pat.mutability = None;
            pat.by_ref = match self.0 {
                BindBy::Reference => None,
                BindBy::RefBindings => Some(<Token![ref]>::default()),
            };
            visit_mut::visit_pat_ident_mut(self, pat);
        }
    }
    let mut explicit = HasReference(false);
    explicit.visit_pat(pat);
    let by = if explicit.0 {
        BindBy::RefBindings
    } else {
        BindBy::Reference
    };
    let mut pat = pat.clone();
    Modify(by).visit_pat_mut(&mut pat);
    (pat, by)
}
