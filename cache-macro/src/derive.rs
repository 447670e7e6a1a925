//! `#[derive(CacheKey)]`: a type is written as `name(field,field)`, so that no two values share a
//! text.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Generics, Member, Path, Result};

use crate::types;

pub(crate) fn derive(item: TokenStream) -> TokenStream {
    syn::parse2(item)
        .and_then(|input| implementation(&input))
        .unwrap_or_else(|error| error.to_compile_error())
}

/// ```text
/// struct Page { tenant: String, number: u32 }
/// ```
/// becomes
/// ```text
/// impl CacheKey for Page {
///     fn write(&self, __key: &mut KeyWriter) {
///         let Self { tenant: __0, number: __1 } = self;
///         KeyWriter::open(__key, "");
///         <String as CacheKey>::write(__0, __key);
///         KeyWriter::and(__key);
///         <u32 as CacheKey>::write(__1, __key);
///         KeyWriter::close(__key);
///     }
/// }
/// ```
fn implementation(input: &DeriveInput) -> Result<TokenStream> {
    let span = Span::mixed_site();
    let krate = krate(input)?;
    let body = match &input.data {
        Data::Struct(data) => {
            let (pattern, write) = fields(&quote!(Self), "", &data.fields, &krate);
            quote_spanned!(span=> let #pattern = self; #write)
        }
        Data::Enum(data) => variants(data, &krate),
        Data::Union(data) => {
            return Err(Error::new(
                data.union_token.span,
                "a union does not know which field it holds, so it cannot be part of a key",
            ));
        }
    };
    let name = &input.ident;
    let generics = bounded(&input.generics, &krate);
    let (params, _, bounds) = generics.split_for_impl();
    let args = generics.params.iter().map(types::argument);
    let write = quote_spanned!(span=> fn write(&self, __key: &mut #krate::KeyWriter) { #body });
    // From its first to its last token shown as the user's: the compiler names this impl to whoever
    // uses a type that has none.
    let implements = Ident::new("impl", name.span());
    let block = quote_spanned!(name.span()=> { #write });
    Ok(quote_spanned! {span=>
        #[automatically_derived]
        #implements #params #krate::CacheKey for #name <#(#args),*> #bounds #block
    })
}

fn variants(data: &DataEnum, krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    if data.variants.is_empty() {
        return quote_spanned!(span=> match *self {});
    }
    let arms = data.variants.iter().map(|variant| {
        let ident = &variant.ident;
        let name = ident.unraw().to_string();
        let (pattern, write) = fields(&quote!(Self::#ident), &name, &variant.fields, krate);
        quote_spanned!(span=> #pattern => #write)
    });
    quote_spanned!(span=> match self { #(#arms)* })
}

/// The pattern that takes a value apart, and what writes its fields.
fn fields(
    path: &TokenStream,
    name: &str,
    fields: &Fields,
    krate: &Path,
) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let members: Vec<Member> = fields.members().collect();
    let variables: Vec<Ident> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let at = span.located_at(field.ty.span());
            format_ident!("__{index}", span = at)
        })
        .collect();
    let pattern = quote_spanned!(span=> #path { #(#members: #variables),* });
    if variables.is_empty() {
        let write = quote_spanned!(span=> { #krate::KeyWriter::tuple(__key, #name, &[]); });
        return (pattern, write);
    }
    let types = fields.iter().map(|field| &field.ty);
    let and = (0..variables.len()).map(|index| match index {
        0 => TokenStream::new(),
        _ => quote_spanned!(span=> #krate::KeyWriter::and(__key);),
    });
    // By the type that was written: one that is no key is then reported there.
    let write = quote_spanned! {span=> {
        #krate::KeyWriter::open(__key, #name);
        #(#and <#types as #krate::CacheKey>::write(#variables, __key);)*
        #krate::KeyWriter::close(__key);
    }};
    (pattern, write)
}

/// `T: CacheKey` for every type parameter, as the derives of the standard library have it.
fn bounded(generics: &Generics, krate: &Path) -> Generics {
    let mut generics = generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(syn::parse_quote!(#krate::CacheKey));
    }
    generics
}

/// `#[cache_key(crate = path)]`
fn krate(input: &DeriveInput) -> Result<Path> {
    let mut krate: Path = syn::parse_quote!(::cache_runtime);
    for attr in input
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cache_key"))
    {
        attr.parse_nested_meta(|option| {
            if !option.path.is_ident("crate") {
                let word = option.path.to_token_stream();
                return Err(option.error(format!("unknown option `{word}`\noptions: crate")));
            }
            krate = option.value()?.call(Path::parse_mod_style)?;
            Ok(())
        })?;
    }
    Ok(krate)
}
