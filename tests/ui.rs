//! What the compiler says about mistakes, and what it accepts.
//!
//! The answers belong to one version of the compiler. `TRYBUILD=overwrite cargo test --test ui`
//! writes them anew.
//!
//! - `ui`: one mistake each, which the attribute finds itself;
//! - `ui/types`: one mistake each, which only the compiler can find;
//! - `ui/several`: more than one error;
//! - `ui/pass`: no mistake.

use std::fs;
use std::path::Path;

#[test]
fn every_mistake_has_its_answer() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
    cases.compile_fail("tests/ui/types/*.rs");
    cases.compile_fail("tests/ui/several/*.rs");
}

/// What the compiler says in its own words about the user's own code, with or without the attribute:
/// how many lines that takes.
const IN_ITS_OWN_WORDS: &[(&str, usize)] = &[
    ("body_of_method_with_wrong_error", 22),
    ("body_of_method_with_wrong_return", 17),
    ("body_of_method_with_wrong_value", 17),
    ("body_of_sync_method_with_wrong_return", 15),
    ("body_of_sync_method_with_wrong_value", 14),
    ("body_with_wrong_return", 15),
    ("body_with_wrong_value", 14),
    ("stale_with_rc_in_body", 23),
    ("use_of_companion_with_wrong_local_value", 16),
    ("use_of_companion_with_wrong_verb", 13),
    ("use_of_function_with_wrong_argument", 13),
    ("use_of_rc_across_threads", 22),
];

#[test]
fn one_mistake_is_one_short_error() {
    for (name, answer) in answers("tests/ui") {
        assert!(answer.starts_with("error: "), "not ours: {name}\n{answer}");
        answer_is_one_error(&name, &answer);
        answer_is_short(&name, &answer);
    }
}

#[test]
fn a_mistake_in_a_type_is_one_short_error_too() {
    let answers = answers("tests/ui/types");
    for (name, answer) in &answers {
        answer_is_one_error(name, answer);
        match IN_ITS_OWN_WORDS.iter().find(|(case, _)| case == name) {
            Some((_, lines)) => assert_eq!(answer.lines().count(), *lines, "{name}\n{answer}"),
            None => answer_is_short(name, answer),
        }
    }
    for (case, _) in IN_ITS_OWN_WORDS {
        assert!(answers.iter().any(|(name, _)| name == case), "no {case}");
    }
}

fn answer_is_one_error(name: &str, answer: &str) {
    let starts = |word| answer.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!(starts("error"), 1, "not one error: {name}\n{answer}");
    assert_eq!(starts("warning"), 0, "a warning: {name}\n{answer}");
    let names = answer.replace("::__private", "");
    assert!(!names.contains("__"), "a generated name: {name}\n{answer}");
}

fn answer_is_short(name: &str, answer: &str) {
    assert!(answer.lines().count() <= 12, "too long: {name}\n{answer}");
}

/// The answers in a folder, each with the name of its case.
fn answers(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let answers: Vec<_> = fs::read_dir(folder)
        .expect("the cases can be listed")
        .map(|entry| entry.expect("the case can be seen").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "stderr")
        })
        .map(|path| {
            let name = path.file_stem().expect("a case has a name");
            let answer = fs::read_to_string(&path).expect("the answer can be read");
            (name.to_string_lossy().into_owned(), answer)
        })
        .collect();
    assert!(!answers.is_empty());
    answers
}
