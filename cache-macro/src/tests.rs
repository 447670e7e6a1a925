//! What the attribute makes of functions, and what it says about mistakes.

mod arguments;
mod behind;
mod companions;
mod functions;
mod inline;
mod keys;
mod mistakes;
mod values;

use crate::expand::attribute;
use expect_test::Expect;
use proc_macro2::TokenStream;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ExprPath, File, ImplItem, Item, Macro, Path};

/// All that becomes of an item.
fn expands(options: TokenStream, item: TokenStream, expected: &Expect) {
    expected.assert_eq(&print(&expand(options, item)));
}

/// What becomes of an item, of which only these functions are of interest.
fn expands_in(names: &[&str], options: TokenStream, item: TokenStream, expected: &Expect) {
    let mut file = expand(options, item);
    for item in &mut file.items {
        if let Item::Impl(block) = item {
            block.items.retain(|item| match item {
                ImplItem::Fn(function) => names.iter().any(|name| function.sig.ident == name),
                _ => true,
            });
        }
    }
    file.items.retain(|item| match item {
        Item::Fn(function) => names.iter().any(|name| function.sig.ident == name),
        Item::Impl(block) => !block.items.is_empty(),
        Item::Struct(_) => names.contains(&"struct"),
        _ => false,
    });
    expected.assert_eq(&print(&file));
}

fn expand(options: TokenStream, item: TokenStream) -> File {
    syn::parse2(attribute(options, item)).expect("the expansion is Rust")
}

/// The names of lints and the paths into the runtime are long and the same everywhere.
fn print(file: &File) -> String {
    struct Quiet;
    impl VisitMut for Quiet {
        fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
            attrs.retain(|attr| !attr.path().is_ident("allow"));
        }

        fn visit_expr_path_mut(&mut self, expr: &mut ExprPath) {
            if let Some(of) = &mut expr.qself
                && is_in_runtime(&expr.path)
            {
                of.position -= 1;
            }
            visit_mut::visit_expr_path_mut(self, expr);
        }

        fn visit_path_mut(&mut self, path: &mut Path) {
            if is_in_runtime(path) {
                let inside = path.segments.iter().skip(2).cloned();
                let runtime = syn::parse_quote!(rt);
                path.segments = std::iter::once(runtime).chain(inside).collect();
                path.leading_colon = None;
            }
            visit_mut::visit_path_mut(self, path);
        }
    }
    let mut file = file.clone();
    Quiet.visit_file_mut(&mut file);
    prettyplease::unparse(&file).replace("::cache_runtime::__private::", "rt::")
}

fn is_in_runtime(path: &Path) -> bool {
    let names = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string());
    names.take(2).eq(["cache_runtime", "__private"])
}

/// The answers to the mistakes in an item.
fn answers(options: TokenStream, item: TokenStream) -> Vec<String> {
    struct Answers(Vec<String>);
    impl Visit<'_> for Answers {
        fn visit_macro(&mut self, call: &Macro) {
            if call
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "compile_error")
            {
                let text: syn::LitStr = call.parse_body().expect("an error has a text");
                self.0.push(text.value());
            }
        }
    }
    let mut answers = Answers(Vec::new());
    answers.visit_file(&expand(options, item));
    answers.0
}
