//! Runs every target on its corpus, and for a moment on random inputs.

#![forbid(unsafe_code)]

use authkit_fuzz::{Seen, TARGETS, Target, driver};

#[test]
fn no_input_that_is_kept_breaks_a_rule() {
    for &target in TARGETS {
        let corpus = driver::corpus(target).unwrap_or_else(|error| panic!("{target:?}: {error}"));
        assert!(corpus.len() > 10, "{target:?} has a corpus: {}", corpus.len());
        for (file, input) in corpus {
            // The test harness shows this if the target panics.
            eprintln!("{}", file.display());
            (target.run)(&input);
        }
    }
}

/// Every rule holds for a service that refuses everybody.
#[test]
fn the_inputs_that_are_kept_are_admitted_refreshed_and_set_cookies() {
    Seen::begin();
    let target = Target::named("request").expect("it is there");
    for (_, input) in driver::corpus(target).expect("it has a corpus") {
        (target.run)(&input);
    }
    let Seen { admitted, refreshed, cookies, bearers } = Seen::so_far();
    for (what, count) in [
        ("admitted", admitted),
        ("refreshed", refreshed),
        ("given a cookie", cookies),
        ("a program's", bearers),
    ] {
        assert!(count > 0, "no input is {what}");
    }
}

/// Random inputs for a moment, so that a target which is broken for most inputs fails in every test run.
#[test]
fn no_input_at_random_breaks_a_rule() {
    for &target in TARGETS {
        let mut random = driver::Random::new(20_270_115);
        for length in 0..20 {
            let input = random.bytes(length * 15);
            let outcome = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(outcome.is_ok(), "{target:?}: {input:?}");
        }
    }
}

#[test]
fn every_target_has_a_name_of_its_own() {
    for target in TARGETS {
        assert_eq!(Target::named(target.name).map(|it| it.name), Some(target.name));
        assert_eq!(TARGETS.iter().filter(|other| other.name == target.name).count(), 1);
    }
    assert!(Target::named("none").is_none());
}
