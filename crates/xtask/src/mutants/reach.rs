//! Which mutants each test can meet.
//!
//! Each test runs once by itself while no mutant is awake, and the program writes down which functions with mutants it
//! enters. A mutant then meets only the tests that enter its function: no other test can notice it.

use std::{
    collections::BTreeSet,
    fs,
    hash::{DefaultHasher, Hasher},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::program::Program;

/// The tests of a program, the quickest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Reach(Vec<Test>);

/// A test, and what it takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) time: Duration,
    mutants: BTreeSet<usize>,
}

impl Reach {
    /// Runs every test, unless that was done with this very program before.
    pub(super) fn of(program: &Program) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(&program.executable)?);
        let hash = format!("{:016x}", hasher.finish());
        let kept = program.executable.with_extension("reach");
        // There is none before the first call.
        let text = fs::read_to_string(&kept).unwrap_or_default();
        if let Some(tests) = text.strip_prefix(&hash) {
            return Self::read(tests);
        }
        let reach = Self::explore(program)?;
        fs::write(kept, hash + &reach.text())?;
        Ok(reach)
    }

    /// The tests that enter the function of this mutant.
    pub(super) fn tests(&self, mutant: usize) -> impl Iterator<Item = &Test> {
        self.0.iter().filter(move |test| test.mutants.contains(&mutant))
    }

    fn explore(program: &Program) -> Result<Self> {
        let (names, reached) = (program.list()?, program.executable.with_extension("reached"));
        println!("{} tests, one by one", names.len());
        let mut tests = Vec::new();
        for name in names {
            let start = Instant::now();
            if !program.explore(&name, &reached, LONGEST)?.success() {
                println!("left out, since it fails without a mutant or takes too long: {name}");
                continue;
            }
            let time = start.elapsed();
            // A test that enters no such function writes nothing.
            let text = fs::read_to_string(&reached).unwrap_or_default();
            let mutants = text.lines().map(str::parse).collect::<Result<_, _>>()?;
            tests.push(Test { name, time, mutants });
        }
        tests.sort_by_key(|test| test.time);
        Ok(Self(tests))
    }

    /// A line for each test, after an empty one.
    fn text(&self) -> String {
        let mut text = String::new();
        for Test { name, time, mutants } in &self.0 {
            text += &format!("\n{name} {}", time.as_millis());
            mutants.iter().for_each(|mutant| text += &format!(" {mutant}"));
        }
        text
    }

    fn read(text: &str) -> Result<Self> {
        text.lines()
            .filter(|line| !line.is_empty())
            .map(Test::read)
            .collect::<Result<_>>()
            .map(Self)
    }
}

impl Test {
    #[cfg(test)]
    pub(super) fn new(name: &str, time: Duration) -> Self {
        Self { name: name.to_owned(), time, mutants: BTreeSet::new() }
    }

    fn read(line: &str) -> Result<Self> {
        let mut words = line.split(' ');
        let (Some(name), Some(time)) = (words.next(), words.next()) else { bail!("{line}") };
        let time = Duration::from_millis(time.parse().with_context(|| line.to_owned())?);
        let mutants = words.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), time, mutants })
    }
}

/// How long a test may have a processor.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_meets_the_tests_that_enter_its_function() {
        let test = |name: &str, millis, mutants: &[usize]| Test {
            mutants: mutants.iter().copied().collect(),
            ..Test::new(name, Duration::from_millis(millis))
        };
        let reach = Reach(vec![
            test("a::one", 1, &[1, 2]),
            test("b::none", 2, &[]),
            test("b::two", 3_000, &[2]),
        ]);
        let names = |mutant| reach.tests(mutant).map(|test| &*test.name).collect::<Vec<_>>();
        assert_eq!(names(2), ["a::one", "b::two"]);
        assert_eq!(names(1), ["a::one"]);
        assert!(names(3).is_empty());
        assert_eq!(Reach::read(&reach.text()).unwrap(), reach, "it is kept as it is");
        assert!(Reach::read("\na::one").is_err());
    }
}
