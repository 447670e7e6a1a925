//! What makes the key, against the arguments that there are.

use super::arguments::{Arguments, Use};
use super::parameters::{self, Parameters, Said};
use crate::args::{Args, Skip};
use crate::error::Errors;
use crate::key::{Key, Piece, Place};
use crate::plan::{Call, Many, Part, Passing, Taken};
use crate::target::{Shape, Target};
use crate::{tokens, types};
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, GenericParam, Generics};

const SAME_FOR_EVERY_CALL: &str =
    "this key is the same for every call; name an argument, or write `key = ()` if that is meant";

/// How a call is told from others.
pub(super) struct Keyed {
    pub(super) call: Call,
    /// The arguments that take part, by their place.
    pub(super) used: Vec<Use>,
    pub(super) passing: Passing,
    pub(super) many: Many,
    /// What a function of the companion is generic over.
    pub(super) generics: Generics,
}

pub(super) fn check(args: &mut Args, target: &Target, errors: &mut Errors) -> Keyed {
    let arguments = Arguments::of(target);
    let mut key = Builder {
        target,
        arguments,
        receiver: target.receiver().map(|receiver| receiver.self_token.span),
        errors,
        used: vec![Use::Unused; arguments.all().len()],
        parts: Vec::new(),
        whole: Vec::new(),
        named: Vec::new(),
        values: TokenStream::new(),
        has_key: args.is_given("key"),
        passing: Passing::Shared,
    };
    let skipped = args.skip.as_ref().map(|skip| key.skipped(skip));
    let skipped = skipped.unwrap_or_default();
    if let (Some(_), Some(skip)) = (&args.key, &args.skip)
        && !skipped.iter().all(|name| key.is_type(name))
    {
        let advice = "`key` and `skip` both say what makes the key; beside `key`, `skip` takes \
                      types only";
        key.errors.at(skip.option.span(), advice);
    }
    match (args.key.take(), target.receiver()) {
        (Some(asked), _) => key.asked(asked),
        // A key that could not be read has been reported.
        (None, _) if args.is_given("key") => {}
        (None, Some(receiver)) => key.errors.on(
            receiver,
            "say what makes the key: `key = \"id\"`, or `key = \"{self.tenant}:{id}\"` if the \
             answer depends on self",
        ),
        (None, None) => key.all_but(args.skip.as_ref(), &skipped),
    }
    key.finish(args.cache.take(), &skipped)
}

struct Builder<'a> {
    target: &'a Target,
    arguments: Arguments<'a>,
    /// Where `self` stands, for its hygiene.
    receiver: Option<Span>,
    errors: &'a mut Errors,
    used: Vec<Use>,
    parts: Vec<Part>,
    /// Which parts are which arguments.
    whole: Vec<(usize, usize)>,
    /// Type parameters that the key names.
    named: Vec<Ident>,
    /// The key's expressions.
    values: TokenStream,
    has_key: bool,
    passing: Passing,
}

impl Builder<'_> {
    fn asked(&mut self, key: Key) {
        match key {
            Key::Constant => {}
            Key::List(places) => {
                for place in places {
                    self.parts.push(Part::Separate);
                    self.place(&place);
                }
            }
            Key::Template(pieces) => {
                self.parts.push(Part::Separate);
                let mut after_colon = true;
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => {
                            self.parts
                                .push(Part::Text(without_two_colons(&text, after_colon)));
                        }
                        Piece::Place(place) => self.place(&place),
                    }
                    after_colon = false;
                }
            }
            Key::Values(values) => self.values(values),
        }
    }

    /// The names in `skip`, each of an argument or of a type parameter.
    fn skipped(&mut self, skip: &Skip) -> Vec<String> {
        let names = skip.names.iter().map(|name| {
            let text = name.unraw().to_string();
            let is_known = self.arguments.find(&text).is_some()
                || parameters::find(self.target, &text).is_some();
            if !is_known {
                self.arguments.unknown(&text, name.span(), self.errors);
            }
            text
        });
        names.collect()
    }

    /// Whether the name stands for a type: that of a parameter, or the one of an `impl Trait`.
    fn is_type(&self, name: &str) -> bool {
        match self.arguments.find(name) {
            Some(found) => types::has_impl_trait(&found.arg.ty),
            None => true,
        }
    }

    fn all_but(&mut self, skip: Option<&Skip>, skipped: &[String]) {
        let kept: Vec<Ident> = self
            .arguments
            .variables()
            .map(|found| found.variable.clone())
            .filter(|variable| !skipped.iter().any(|name| variable.unraw() == name))
            .collect();
        if let (true, Some(skip)) = (kept.is_empty(), skip) {
            self.errors.at(skip.option.span(), SAME_FOR_EVERY_CALL);
        }
        for variable in kept {
            self.parts.push(Part::Separate);
            self.place(&Place {
                root: variable.unraw().to_string(),
                fields: Vec::new(),
                span: variable.span(),
            });
        }
    }

    fn place(&mut self, place: &Place) {
        if place.root == "self" {
            return self.place_in_self(place);
        }
        let Some(found) = self.arguments.find(&place.root) else {
            return self.parameter(place);
        };
        let is_pattern = found.arg.shape == Shape::Pattern;
        if !place.fields.is_empty() {
            self.mark(found.index, Use::Inside);
            let mut root = found.variable.clone();
            root.set_span(root.span().located_at(place.span));
            self.parts.push(Part::Field(root, place.fields.clone()));
        } else if is_pattern {
            self.mark(found.index, Use::Inside);
            self.parts.push(Part::Bound(found.variable.clone()));
        } else {
            self.mark(found.index, Use::Whole);
            let param = self.arguments.param(found.index, Use::Whole);
            self.whole.push((self.parts.len(), found.index));
            self.parts.push(Part::Whole(param));
        }
    }

    /// A type parameter that the key names.
    fn parameter(&mut self, place: &Place) {
        match parameters::find(self.target, &place.root) {
            Some(GenericParam::Type(param)) if place.fields.is_empty() => {
                let mut name = param.ident.clone();
                name.set_span(name.span().located_at(place.span));
                self.parts.push(Part::Type(name));
                self.named.push(param.ident.clone());
            }
            Some(GenericParam::Const(param)) if place.fields.is_empty() => self.errors.at(
                place.span,
                format!(
                    "the const parameter `{}` is part of the key already",
                    param.ident
                ),
            ),
            _ => self.arguments.unknown(&place.root, place.span, self.errors),
        }
    }

    fn place_in_self(&mut self, place: &Place) {
        match self.receiver {
            Some(receiver) => {
                let root = Ident::new("self", receiver.located_at(place.span));
                self.parts.push(Part::Field(root, place.fields.clone()));
            }
            None => self
                .errors
                .at(place.span, "`self` is only known in a method"),
        }
    }

    fn values(&mut self, values: Vec<Expr>) {
        self.passing = Passing::Owned;
        let all: TokenStream = values.iter().map(ToTokens::to_token_stream).collect();
        let mentioned = self.arguments.mentioned(&all);
        let mentions_self = tokens::mention(all.clone(), "self");
        if mentions_self && self.receiver.is_none() {
            self.errors.on(&all, "`self` is only known in a method");
        } else if mentioned.is_empty() && !mentions_self {
            self.errors.on(&all, SAME_FOR_EVERY_CALL);
        }
        for index in mentioned {
            self.mark(index, Use::Inside);
        }
        self.values = all;
        for value in values {
            self.parts.extend([Part::Separate, Part::Value(value)]);
        }
    }

    fn mark(&mut self, index: usize, used: Use) {
        self.used[index] = self.used[index].max(used);
    }

    fn finish(mut self, cache: Option<Expr>, skipped: &[String]) -> Keyed {
        let in_key: Vec<usize> = self.used_arguments().collect();
        if let Some(cache) = &cache {
            for index in self.arguments.mentioned(&cache.to_token_stream()) {
                // As an expression in the key, it sees what the function has.
                self.passing = Passing::Owned;
                self.mark(index, Use::Inside);
            }
        }
        let used: Vec<usize> = self.used_arguments().collect();
        // How an argument is taken depends on all of its uses.
        for (part, index) in self.whole {
            let param = self.arguments.param(index, self.used[index]);
            if param.taken == Taken::Loosely
                && self.passing == Passing::Shared
                && !types::is_sure_key(&param.ty)
            {
                self.passing = Passing::Borrowed;
            }
            self.parts[part] = Part::Whole(param);
        }
        let is_spent = |index: &usize, key: &usize| {
            let param = self.arguments.param(*index, self.used[*index]);
            index != key && param.taken != Taken::ByReference
        };
        let many = match (&in_key[..], &self.passing) {
            // An owned argument beside the key would be gone after the first key.
            ([only], Passing::Owned) if used.iter().any(|index| is_spent(index, only)) => Many::No,
            ([only], _) => used
                .iter()
                .position(|index| index == only)
                .map_or(Many::No, Many::By),
            _ => Many::No,
        };
        let opaque = in_key
            .iter()
            .map(|index| self.arguments.param(*index, self.used[*index]))
            .filter(|param| types::has_impl_trait(&param.ty))
            .collect();
        let said = Said {
            used: &self.used,
            values: &self.values,
            named: &self.named,
            skipped,
            has_key: self.has_key,
            cache: cache.as_ref(),
        };
        let Parameters {
            leading,
            left_out,
            left_out_opaque,
            consts,
            of_companion,
        } = match self.errors.is_empty() {
            true => parameters::check(self.target, &said, self.errors),
            // What the key says is not known.
            false => Parameters::default(),
        };
        let left_out_opaque = left_out_opaque
            .into_iter()
            .map(|index| self.arguments.param(index, Use::Inside))
            .collect();
        Keyed {
            call: Call {
                bindings: self.arguments.bindings(used),
                cache,
                types: leading,
                opaque,
                named: self.named,
                left_out,
                left_out_opaque,
                consts,
                parts: self.parts,
            },
            used: self.used,
            passing: self.passing,
            many,
            generics: of_companion,
        }
    }

    fn used_arguments(&self) -> impl Iterator<Item = usize> {
        (0..self.used.len()).filter(|index| self.used[*index] != Use::Unused)
    }
}

/// The text with the second of two colons in a row escaped: only a prefix writes `::`, so that it is
/// never mistaken for a shorter one and a name.
fn without_two_colons(text: &str, mut after_colon: bool) -> String {
    let mut written = String::new();
    for c in text.chars() {
        let is_second = c == ':' && after_colon;
        written.push_str(if is_second { "%3A" } else { "" });
        written.extend((!is_second).then_some(c));
        after_colon = c == ':' && !is_second;
    }
    written
}
