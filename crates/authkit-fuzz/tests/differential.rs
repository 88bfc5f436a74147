//! Compares our verdicts on tokens with those of `jsonwebtoken`.

#![forbid(unsafe_code)]

use std::env;

use authkit_fuzz::differential::compare;

/// `cargo xtask deep` tries 100,000 tokens, with another seed each time.
#[test]
fn every_disagreement_with_jsonwebtoken_is_explained() {
    let number = |variable| env::var(variable).ok().and_then(|it| it.parse().ok());
    let tokens = number("AUTHKIT_DIFFERENTIAL").unwrap_or(3_000);
    let tally = compare(tokens, number("PROPTEST_RNG_SEED").unwrap_or(1));
    let tally = tally.unwrap_or_else(|problem| panic!("{problem}"));
    println!("{tally}");
    assert!(tally.accepted > tokens / 20, "{tally}");
    assert!(tally.refused > tokens / 10, "{tally}");
    assert!(tally.explained.len() >= 3, "{tally}");
}
