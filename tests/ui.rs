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
use std::path::{Path, PathBuf};

#[test]
fn every_mistake_has_its_answer() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
    cases.compile_fail("tests/ui/types/*.rs");
    cases.compile_fail("tests/ui/several/*.rs");
}

#[test]
fn one_mistake_is_one_short_error() {
    for answer in answers("tests/ui") {
        assert!(answer.starts_with("error: "), "not ours:\n{answer}");
        answer_is_one_error(&answer, 12);
    }
}

#[test]
fn a_mistake_in_a_type_is_one_error_in_the_words_of_the_compiler() {
    for answer in answers("tests/ui/types") {
        answer_is_one_error(&answer, 32);
    }
}

fn answer_is_one_error(answer: &str, lines: usize) {
    let starts = |word| answer.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!(starts("error"), 1, "not one error:\n{answer}");
    assert_eq!(starts("warning"), 0, "a warning:\n{answer}");
    assert!(answer.lines().count() <= lines, "too long:\n{answer}");
    let names = answer.replace("::__private", "");
    assert!(!names.contains("__"), "a generated name:\n{answer}");
}

fn answers(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let answers: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the cases can be listed")
        .map(|entry| entry.expect("the case can be seen").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "stderr")
        })
        .collect();
    assert!(!answers.is_empty());
    answers
        .iter()
        .map(|path| fs::read_to_string(path).expect("the answer can be read"))
        .collect()
}
