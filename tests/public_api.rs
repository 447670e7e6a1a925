//! The public surface of `cache-runtime` with all its features, one item a line, as it is promised by
//! the versions: a change of `tests/public_api.txt` is a change of the interface.
//!
//! `UPDATE_EXPECT=1 cargo test --test public_api` writes it anew. The list is made from rustdoc's JSON,
//! whose form belongs to one version of the compiler, like the answers in `tests/ui`: with a newer
//! compiler goes a newer `public-api`, and the list stays what it is.

use std::path::Path;
use std::process::Command;

#[test]
fn the_public_surface_is_the_listed_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustdoc", "--package", "cache-runtime", "--lib"]);
    cargo.args(["--all-features", "--locked", "--quiet", "--target-dir"]);
    cargo.arg(&folder).current_dir(root);
    cargo.args(["--", "-Z", "unstable-options", "--output-format", "json"]);
    // The JSON is not stable yet; this is asked of rustdoc alone.
    cargo.env("RUSTC_BOOTSTRAP", "cache_runtime");
    let output = cargo.output().expect("cargo can be run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");

    let surface = public_api::Builder::from_rustdoc_json(folder.join("doc/cache_runtime.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap_or_else(|error| {
            panic!("this compiler's JSON needs another version of `public-api`: {error}")
        });
    expect_test::expect_file!["public_api.txt"].assert_eq(&surface.to_string());
}
