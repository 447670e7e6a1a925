//! The place of a function in the source, read from the path of a closure in it.
//!
//! [`type_name`](std::any::type_name) writes `app::users::load::{{closure}}` for a closure in a
//! function of a module, `<app::Pg as app::Users>::find::{{closure}}` for one in a trait's
//! implementation, and `app::<impl core::Trait for app::b::Pg>::find::{{closure}}` where neither
//! the type nor the trait is in the module of the implementation. Generic arguments of the function
//! itself follow its name: `..::find<u8>::{{closure}}`.

/// Returns the path of the function round a closure, without the function's own generic arguments.
pub(super) fn function(closure: &str) -> &str {
    let mut path = closure;
    while let Some(outer) = path.strip_suffix("::{{closure}}") {
        path = outer;
    }
    without_arguments(path)
}

/// Returns the path of the module, type or function in which a path's last item is declared.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// Returns whether the path of a function's parent is that of an `impl` with types of its own, or of a
/// trait. No other parent is written with generic arguments.
pub(super) fn is_implementation(parent: &str) -> bool {
    parent.ends_with('>')
}

/// Returns whether two paths are equal. A path of the compiler may have `r#` where one of the source
/// has none.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one == other || one.replace("r#", "") == other.replace("r#", "")
}

/// Returns the name at the end of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit_once("::").map_or(path, |(_, last)| last)
}

/// Returns whether the method of this path is, or may be, in an `impl` inside of a function. A path
/// names no blocks, so two blocks of one function may each have a method of this path.
pub(super) fn is_local_method(path: &str, module: &str) -> bool {
    let (path, module) = (&*path.replace("r#", ""), &*module.replace("r#", ""));
    if let Some((place, _)) = path.split_once("::<impl ") {
        return place != module;
    }
    // Otherwise the type or the trait is declared in the place of the `impl`.
    let implementation = parent(path);
    let mut at_home = false;
    for declared in outer_paths(implementation) {
        let place = parent(declared);
        let below = place.strip_prefix(module);
        if declared.starts_with("::") || below.is_some_and(|below| below.starts_with("::")) {
            return true;
        }
        at_home |= place == module;
    }
    !at_home
}

/// Returns the paths in a type outside of generic arguments: `a::B` and `e::F` for
/// `<a::B<c::D> as e::F>`. For a type declared in a method, the rest after the method's own type
/// begins with `::`.
fn outer_paths(implementation: &str) -> impl Iterator<Item = &str> {
    let qualified = implementation
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    let text = qualified.unwrap_or(implementation);
    let mut depth = 0_usize;
    let mut outside = Vec::new();
    let mut from = 0;
    for (index, bracket) in brackets(text) {
        match bracket {
            Bracket::Open => {
                if depth == 0 {
                    outside.push(&text[from..index]);
                }
                depth += 1;
            }
            Bracket::Close => {
                depth = depth.saturating_sub(1);
                from = index + 1;
            }
        }
    }
    outside.push(&text[from..]);
    let ends_path = |c: char| c.is_whitespace() || "<>()[],;&*+='!-".contains(c);
    outside
        .into_iter()
        .flat_map(move |text| text.split(ends_path))
        .filter(|path| path.contains("::"))
}

/// Returns the path without the generic arguments at its end.
fn without_arguments(path: &str) -> &str {
    if !path.ends_with('>') {
        return path;
    }
    let mut open = Vec::new();
    let mut last = None;
    for (index, bracket) in brackets(path) {
        match bracket {
            Bracket::Open => open.push(index),
            Bracket::Close => last = open.pop(),
        }
    }
    last.map_or(path, |open| &path[..open])
}

enum Bracket {
    Open,
    Close,
}

/// Returns the angle brackets of a type, without the arrow of a function pointer and the `char` of a
/// constant argument.
fn brackets(text: &str) -> impl Iterator<Item = (usize, Bracket)> {
    let mut rest = text.char_indices().peekable();
    let mut before = ' ';
    std::iter::from_fn(move || {
        loop {
            let (index, c) = rest.next()?;
            let arrow = before == '-';
            before = c;
            match c {
                '\'' => {
                    if let Some(after) = after_char_literal(&text[index..]) {
                        while rest.next_if(|(at, _)| *at < index + after).is_some() {}
                    }
                }
                '<' => return Some((index, Bracket::Open)),
                '>' if !arrow => return Some((index, Bracket::Close)),
                _ => {}
            }
        }
    })
}

/// Returns the length of the `char` literal at the beginning of a text, unless that is a lifetime.
fn after_char_literal(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        // The escaped character may be a quote.
        chars.next()?;
        return chars.find(|(_, c)| *c == '\'').map(|(end, _)| end + 1);
    }
    let (end, quote) = chars.next()?;
    (quote == '\'').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_lose_their_own_arguments_only() {
        for (closure, path) in [
            ("app::load::{{closure}}", "app::load"),
            ("app::load<u8>::{{closure}}::{{closure}}", "app::load"),
            (
                "app::Store<app::A, 3>::load<&str>::{{closure}}",
                "app::Store<app::A, 3>::load",
            ),
            (
                "<app::Pg as app::Orders<fn(u8) -> u8>>::find<fn(app::find<u8>) -> u8>::{{closure}}",
                "<app::Pg as app::Orders<fn(u8) -> u8>>::find",
            ),
            (
                "app::Of<'>'>::load<'<', '\\'', '>'>::{{closure}}",
                "app::Of<'>'>::load",
            ),
            (
                "app::load<dyn for<'a> core::ops::Fn(&'a u8) -> &'a u8>::{{closure}}",
                "app::load",
            ),
            (
                "app::outer::{{closure}}::inner::{{closure}}",
                "app::outer::{{closure}}::inner",
            ),
        ] {
            assert_eq!(function(closure), path, "{closure}");
        }
    }

    #[test]
    fn methods_of_modules_are_not_local() {
        for path in [
            "app::m::Repo::load",
            "app::m::Repo<app::m::inner::Row>::load",
            "<app::m::Pg as app::other::Users>::find",
            "<app::other::Pg as app::m::Users>::find",
            "<&[app::m::Row] as app::other::Users>::find",
            "<(u8, app::m::Row) as app::other::Users>::find",
            "<alloc::vec::Vec<app::m::inner::Row> as app::m::Users>::find",
            "app::m::<impl app::a::Users for app::b::Pg>::find",
            "<dyn app::m::Kind + core::marker::Send as app::m::Users>::find",
            "app::r#m::Repo::load",
        ] {
            assert!(!is_local_method(path, "app::m"), "{path}");
        }
    }

    #[test]
    fn paths_hold_any_letters() {
        assert!(!is_local_method("app::हिन्दी::Pg::load", "app::हिन्दी"));
        assert!(is_local_method("app::हिन्दी::Pg::load", "app"));
    }

    #[test]
    fn methods_inside_functions_are_local() {
        for path in [
            "app::m::outer::Repo::load",
            "<app::m::outer::Pg as app::m::Users>::find",
            "<app::m::Pg as app::m::outer::Users>::find",
            "<u8 as app::m::outer::Users>::find",
            "app::m::outer::<impl app::m::Users for u8>::find",
            "app::m::_::<impl app::m::Users for u16>::find",
            "app::m::outer::{{closure}}::Repo::load",
            "<<app::m::Pg as app::m::Users>::find::Row as app::m::Kind>::name",
            // `module_path!` leaves out the function round a module.
            "app::outer::m::Repo::load",
        ] {
            assert!(is_local_method(path, "app::m"), "{path}");
        }
    }
}
