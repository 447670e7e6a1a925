//! The annotated function, as far as the attribute needs to know it.

use crate::literal::peel_type;
use crate::tokens;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Pat, PatIdent, PathArguments, Receiver, Result,
    ReturnType, Signature, Type, TypeParamBound, Visibility,
};

pub(crate) struct Target {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Body,
    pub(crate) flow: Flow,
    /// What one call gives: for futures what they resolve to.
    pub(crate) returns: Type,
    pub(crate) args: Vec<Arg>,
}

/// The body is never parsed: one that is half typed must not cost the user the function.
pub(crate) enum Body {
    Missing(TokenTree),
    Block(TokenTree),
}

pub(crate) enum Flow {
    Sync,
    Async,
    /// A sync function that returns a boxed future, which is what `#[async_trait]` makes of an
    /// `async fn` before the attribute sees it.
    Boxed,
}

pub(crate) struct Arg {
    /// The name in signatures without patterns.
    pub(crate) name: Ident,
    pub(crate) pat: Pat,
    pub(crate) ty: Type,
    pub(crate) attrs: Vec<Attribute>,
    /// The variables that the body sees.
    pub(crate) binds: Vec<Ident>,
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain,
    Mutable,
    Pattern,
    Wild,
}

struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: TokenTree,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

impl Target {
    pub(crate) fn parse(item: &TokenStream) -> Result<Self> {
        let function = syn::parse2::<Function>(item.clone())
            .map_err(|error| not_a_function(item).unwrap_or(error))?;
        let Function {
            attrs,
            vis,
            sig,
            body,
        } = function;
        let (flow, returns) = flow(&sig);
        Ok(Self {
            args: args(&sig),
            attrs,
            vis,
            body: Body::new(body),
            flow,
            returns,
            sig,
        })
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.receiver()
    }

    /// Whether the function names the type around it, and so can only be one of its methods.
    pub(crate) fn mentions_self_type(&self) -> bool {
        let in_body = match &self.body {
            Body::Block(block) => tokens::mention_self_type(block.clone().into()),
            Body::Missing(_) => false,
        };
        in_body || tokens::mention_self_type(self.sig.to_token_stream())
    }
}

impl Body {
    fn new(token: TokenTree) -> Self {
        match block(&token) {
            Some(block) => Self::Block(block),
            None => Self::Missing(token),
        }
    }

    /// The inner attributes, and the block without them.
    pub(crate) fn split(&self) -> (TokenStream, TokenTree) {
        let (Self::Block(block) | Self::Missing(block)) = self;
        let TokenTree::Group(group) = block else {
            return (TokenStream::new(), block.clone());
        };
        let mut rest: Vec<TokenTree> = group.stream().into_iter().collect();
        let mut inner = 0;
        while let [
            TokenTree::Punct(hash),
            TokenTree::Punct(bang),
            TokenTree::Group(_),
            ..,
        ] = &rest[inner..]
            && hash.as_char() == '#'
            && bang.as_char() == '!'
        {
            inner += 3;
        }
        if inner == 0 {
            // As it is, with the spans of its brackets: one that is half typed ends at them.
            return (TokenStream::new(), block.clone());
        }
        let statements = rest.split_off(inner).into_iter().collect();
        let mut without = Group::new(group.delimiter(), statements);
        without.set_span(group.span());
        (rest.into_iter().collect(), without.into())
    }
}

/// `$body:block` arrives in a group without delimiters.
fn block(token: &TokenTree) -> Option<TokenTree> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    match group.delimiter() {
        Delimiter::Brace => Some(token.clone()),
        Delimiter::None => block(&group.stream().into_iter().next()?),
        Delimiter::Parenthesis | Delimiter::Bracket => None,
    }
}

fn args(sig: &Signature) -> Vec<Arg> {
    sig.inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
        .enumerate()
        .map(|(index, typed)| {
            let binds = binds(&typed.pat);
            let shape = shape(&typed.pat);
            let invented = format_ident!("__arg{index}", span = Span::mixed_site());
            let name = match &binds[..] {
                [only] => only.clone(),
                _ => invented,
            };
            Arg {
                name,
                pat: (*typed.pat).clone(),
                ty: (*typed.ty).clone(),
                attrs: typed.attrs.clone(),
                binds,
                shape,
            }
        })
        .collect()
}

fn shape(pat: &Pat) -> Shape {
    match pat {
        Pat::Paren(paren) => shape(&paren.pat),
        Pat::Wild(_) => Shape::Wild,
        Pat::Ident(ident) if ident.subpat.is_some() || ident.by_ref.is_some() => Shape::Pattern,
        Pat::Ident(ident) if ident.mutability.is_some() => Shape::Mutable,
        Pat::Ident(_) => Shape::Plain,
        _ => Shape::Pattern,
    }
}

/// The variables of a pattern.
pub(crate) fn binds(pat: &Pat) -> Vec<Ident> {
    struct Names(Vec<Ident>);
    impl Visit<'_> for Names {
        fn visit_pat_ident(&mut self, pat: &PatIdent) {
            self.0.push(pat.ident.clone());
            visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pat);
    names.0
}

fn flow(sig: &Signature) -> (Flow, Type) {
    let ReturnType::Type(_, ty) = &sig.output else {
        let flow = sig.asyncness.map_or(Flow::Sync, |_| Flow::Async);
        return (flow, syn::parse_quote!(()));
    };
    if sig.asyncness.is_some() {
        return (Flow::Async, (**ty).clone());
    }
    match boxed_future(ty) {
        Some(output) => (Flow::Boxed, output.clone()),
        None => (Flow::Sync, (**ty).clone()),
    }
}

/// `T` of `Pin<Box<dyn Future<Output = T>>>` and of `BoxFuture<'_, T>`.
fn boxed_future(ty: &Type) -> Option<&Type> {
    if let Some(output) = generic_of(ty, "BoxFuture").or_else(|| generic_of(ty, "LocalBoxFuture")) {
        return Some(output);
    }
    let Type::TraitObject(object) = peel_type(generic_of(generic_of(ty, "Pin")?, "Box")?) else {
        return None;
    };
    object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => future_output(bound.path.segments.last()?),
        _ => None,
    })
}

fn future_output(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(generics) = &segment.arguments else {
        return None;
    };
    generics.args.iter().find_map(|arg| match arg {
        GenericArgument::AssocType(output)
            if segment.ident == "Future" && output.ident == "Output" =>
        {
            Some(&output.ty)
        }
        _ => None,
    })
}

/// `T` of `some::path::Name<.., T, ..>`, the first type there.
pub(crate) fn generic_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = peel_type(ty) else {
        return None;
    };
    let segment = path.path.segments.last()?;
    let PathArguments::AngleBracketed(generics) = &segment.arguments else {
        return None;
    };
    generics.args.iter().find_map(|arg| match arg {
        GenericArgument::Type(ty) if segment.ident == name => Some(ty),
        _ => None,
    })
}

/// A better answer than "expected `fn`", at the keyword of what the attribute stands on.
fn not_a_function(item: &TokenStream) -> Option<Error> {
    let parser = |input: ParseStream| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let keyword = input.call(Ident::parse_any)?;
        input.parse::<TokenStream>()?;
        Ok(keyword)
    };
    let keyword = syn::parse::Parser::parse2(parser, item.clone()).ok()?;
    let advice = match keyword.to_string().as_str() {
        "impl" | "trait" => "`#[read_through]` goes on a function; put it on the methods in here",
        "const" | "static" | "struct" | "enum" | "union" | "mod" | "type" | "use" | "extern" => {
            "`#[read_through]` goes on a function"
        }
        _ => return None,
    };
    Some(Error::new(keyword.span(), advice))
}
