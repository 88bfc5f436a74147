//! What the compiler tells whoever forgot a bound, or tries what must not be possible.
//!
//! The texts are those of the pinned toolchain. `TRYBUILD=overwrite cargo test --test bounds` writes them anew.

#![forbid(unsafe_code)]

#[test]
fn what_cannot_work_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/bounds/*.rs");
}
