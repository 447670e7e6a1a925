//! The options as the user wrote them.

use crate::error::Errors;
use crate::key::{self, Key};
use crate::{tokens, words};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Lit, LitStr, Path, Result, Token, Type};

mod value;

pub(crate) use value::type_of_value;

pub(crate) struct Args {
    pub(crate) key: Option<Key>,
    pub(crate) skip: Option<Skip>,
    pub(crate) ttl: Ttl,
    pub(crate) none: Absence,
    pub(crate) jitter: Option<(Ident, u8)>,
    pub(crate) store_if: Option<Expr>,
    pub(crate) lossy: bool,
    pub(crate) cache_unit: Option<Ident>,
    pub(crate) stale: Option<(Ident, u64)>,
    pub(crate) detach: Option<Ident>,
    pub(crate) lease: Lease,
    pub(crate) follow: Option<u64>,
    pub(crate) near: Near,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<Expr>,
    pub(crate) cache: Option<Expr>,
    pub(crate) companion: Companion,
    pub(crate) method: bool,
    pub(crate) krate: Path,
    /// Whether an option names `Self`, which only a method can.
    pub(crate) self_type: bool,
    given: Vec<String>,
}

pub(crate) struct Skip {
    pub(crate) option: Ident,
    pub(crate) names: Punctuated<Ident, Token![,]>,
}

pub(crate) enum Ttl {
    None,
    Millis(u64),
    Expr(Expr),
    /// `|user: &User| ..`; the type is the one behind the reference.
    Closure(Expr, Box<Type>),
}

pub(crate) enum Absence {
    Passed,
    Stored(Span),
    StoredFor(u64, Span),
}

#[derive(Clone, Copy)]
pub(crate) enum Lease {
    Default,
    Off,
    Millis(u64),
}

#[derive(Clone, Copy)]
pub(crate) enum Near {
    Off,
    On,
    /// Each copy for so long at most.
    Millis(u64),
}

pub(crate) enum Companion {
    Named(Ident),
    Default,
    Off,
}

impl Args {
    pub(crate) fn parse(options: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            self_type: tokens::mention_self_type(options.clone()),
            ..Self::default()
        };
        let parsed = (|input: ParseStream| {
            args.all(input, errors);
            Ok(())
        })
        .parse2(options);
        errors.note(parsed);
        args
    }

    /// Whether the option stands there, even with a value that could not be read.
    pub(crate) fn is_given(&self, option: &str) -> bool {
        self.given.iter().any(|given| given == option)
    }

    fn all(&mut self, input: ParseStream, errors: &mut Errors) {
        while !input.is_empty() {
            if let Err(error) = self.option(input) {
                errors.push(error);
                skip_option(input);
            } else if !input.is_empty() && !input.peek(Token![,]) {
                errors.at(input.span(), "expected `,` between options");
                skip_option(input);
            }
            // Nothing but a comma can be left here, so this cannot fail.
            let _ = input.parse::<Option<Token![,]>>();
        }
    }

    fn option(&mut self, input: ParseStream) -> Result<()> {
        if input.peek(Lit) {
            return Err(without_a_name(&input.parse()?));
        }
        let option = input
            .call(Ident::parse_any)
            .map_err(|error| Error::new(error.span(), "expected the name of an option"))?;
        let word = option.unraw().to_string();
        if !words::is_option(&word) {
            return Err(Error::new(option.span(), words::unknown_option(&word)));
        }
        if self.is_given(&word) {
            return Err(Error::new(
                option.span(),
                format!("`{word}` is given twice"),
            ));
        }
        self.given.push(word.clone());
        self.value(&word, option, input)
    }

    fn value(&mut self, word: &str, option: Ident, input: ParseStream) -> Result<()> {
        match word {
            "key" => self.key = Some(key::parse(&value::expr(&option, input)?)?),
            "skip" => self.skip = Some(value::skip(option, input)?),
            "ttl" => self.ttl = value::ttl(&option, input)?,
            "none" => self.none = value::absence(&option, input)?,
            "jitter" => self.jitter = Some(value::jitter(&option, input).map(|of| (option, of))?),
            "store_if" => self.store_if = Some(value::test(&option, input)?),
            "lossy" => self.lossy = value::flag(&option, input)?,
            "cache_unit" => self.cache_unit = value::flag(&option, input)?.then_some(option),
            "stale" => self.stale = Some(value::duration(&option, input).map(|of| (option, of))?),
            "detach" => self.detach = value::flag(&option, input)?.then_some(option),
            "lease" => self.lease = value::lease(&option, input)?,
            "follow" => self.follow = Some(value::duration(&option, input)?),
            "near" => self.near = value::near(&option, input)?,
            "name" => self.name = Some(value::name(&option, input)?),
            "version" => self.version = Some(value::version(&option, input)?),
            "cache" => self.cache = Some(value::expr(&option, input)?),
            "companion" => self.companion = value::companion(&option, input)?,
            "method" => self.method = value::flag(&option, input)?,
            _ => self.krate = value::path(&option, input)?,
        }
        Ok(())
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            key: None,
            skip: None,
            ttl: Ttl::None,
            none: Absence::Passed,
            jitter: None,
            store_if: None,
            lossy: false,
            cache_unit: None,
            stale: None,
            detach: None,
            lease: Lease::Default,
            follow: None,
            near: Near::Off,
            name: None,
            version: None,
            cache: None,
            companion: Companion::Default,
            method: false,
            krate: syn::parse_quote!(::cache_runtime),
            self_type: false,
            given: Vec::new(),
        }
    }
}

/// Goes on to the next comma, so that one mistake does not hide the others.
fn skip_option(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // The input is not empty, so there is a token.
        let _ = input.parse::<TokenTree>();
    }
}

fn without_a_name(literal: &Lit) -> Error {
    let advice = match literal {
        Lit::Str(key) => format!("a key is written `key = {:?}`", key.value()),
        Lit::Int(seconds) if seconds.suffix().is_empty() => {
            format!("a time to live is written `ttl = {seconds}`")
        }
        Lit::Int(duration) => format!("a time to live is written `ttl = \"{duration}\"`"),
        _ => "options are written `name = value`".into(),
    };
    Error::new(literal.span(), advice)
}
