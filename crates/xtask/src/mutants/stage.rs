//! Which tests a mutant meets.

use std::time::Duration;

use super::{
    reach::Test,
    request::{Module, Thoroughness},
};

/// Some tests; the next stage is for mutants that survive them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// The quick tests beside the module's code.
    Module,
    /// All other quick tests beside the crate's code.
    Crate,
    /// The tests beside the crate's code that take seconds.
    Slow,
    /// The behaviour of it all.
    Behaviour,
}

impl Stage {
    pub(super) fn of(thoroughness: Thoroughness) -> &'static [Self] {
        match thoroughness {
            Thoroughness::Beside => &[Self::Module],
            Thoroughness::Quick => &[Self::Module, Self::Crate],
            Thoroughness::Units => &[Self::Module, Self::Crate, Self::Slow],
            Thoroughness::All => &[Self::Module, Self::Crate, Self::Slow, Self::Behaviour],
        }
    }

    /// The package whose program has the tests, and what `cargo test` calls that program.
    pub(super) fn program(self, module: &Module) -> (&str, &'static [&'static str]) {
        match self {
            Self::Module | Self::Crate | Self::Slow => (module.package(), &["--lib"]),
            Self::Behaviour => ("authkit-tests", &["--test", "it"]),
        }
    }

    /// Those of the tests that are of this stage, the quickest first and as many as there is time for.
    pub(super) fn choose<'a>(
        self,
        module: &Module,
        tests: impl Iterator<Item = &'a Test>,
    ) -> Vec<&'a Test> {
        let beside = module.tests();
        let mut left = self.time();
        tests
            .filter(|test| {
                let is_beside = test.name.starts_with(&beside);
                match self {
                    Self::Module => is_beside && test.time <= QUICK,
                    Self::Crate => !is_beside && test.time <= QUICK,
                    Self::Slow => test.time > QUICK,
                    Self::Behaviour => true,
                }
            })
            .take_while(|test| {
                let fits = test.time <= left;
                left = left.saturating_sub(test.time);
                fits
            })
            .collect()
    }

    /// How long the tests of one mutant take at most, one after another and without the mutant.
    fn time(self) -> Duration {
        Duration::from_secs(match self {
            Self::Module | Self::Crate => 600,
            Self::Slow => 20,
            Self::Behaviour => 30,
        })
    }
}

/// How long a quick test takes.
const QUICK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_beside_the_module_in_its_crate_slow_or_of_the_behaviour() {
        let module = Module::of("crates/a/src/end").unwrap();
        let tests = [("end::a", 1), ("ending::b", 1), ("end::c", 3), ("d", 16), ("e", 28)];
        let tests = tests.map(|(name, seconds)| Test::new(name, Duration::from_secs(seconds)));
        for (stage, expected) in [
            (Stage::Module, &["end::a"][..]),
            (Stage::Crate, &["ending::b"]),
            (Stage::Slow, &["end::c", "d"]),
            (Stage::Behaviour, &["end::a", "ending::b", "end::c", "d"]),
        ] {
            let chosen = stage.choose(&module, tests.iter());
            assert_eq!(
                chosen.iter().map(|it| &*it.name).collect::<Vec<_>>(),
                expected,
                "{stage:?}"
            );
        }
    }
}
