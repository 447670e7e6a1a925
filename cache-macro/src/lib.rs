//! The attribute and the derive of `cache-runtime`. Depend on that crate: it re-exports both.

mod args;
mod check;
mod derive;
mod duration;
mod error;
mod expand;
mod key;
mod literal;
mod plan;
mod target;
#[cfg(test)]
mod tests;
mod tokens;
mod types;
mod words;

use proc_macro::TokenStream;

#[doc = include_str!("read_through.md")]
#[proc_macro_attribute]
pub fn read_through(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options.into(), item.into()).into()
}

#[doc = include_str!("cache_key.md")]
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn cache_key(item: TokenStream) -> TokenStream {
    derive::derive(item.into()).into()
}
