//! `cargo xtask cases`: compares the page of promises with the tests that keep them.
//!
//! A test whose name begins with the id of a case (`cb_09_..`, `f11_..`) keeps the promise of that case.
//! `docs/cases.md` says what the promise is and which tests keep it:
//!
//! ```text
//! ### cb_09
//!
//! What is promised, in a sentence or two.
//!
//! Owner: `authkit-tower`.
//!
//! - `crates/authkit-tower/src/endpoints/callback/tests.rs::cb_09_success_leaves_no_trace_of_the_code`
//! ```
//!
//! People write the promise and the owner; this command writes the lists of tests. It also checks that every claim of
//! `SECURITY.md` leads to what shows it.

mod claims;
mod test_names;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use xshell::Shell;

use self::test_names::{Found, TestName, Tests, find_tests};
use crate::{project::Project, steps::Steps};

/// Updates the lists of tests, and fails if other differences remain.
pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("cases", || {
        let page = project.root.join(PAGE);
        let tests = find_tests(sh, &project.root)?;
        sh.write_file(&page, Page::parse(&sh.read_file(&page)?)?.with_tests(&tests).to_text())?;
        check(sh, &project.root)
    })
}

/// Fails with a line for each place where the page and the tests differ.
pub(crate) fn check(sh: &Shell, root: &Path) -> Result<()> {
    let page = Page::parse(&sh.read_file(root.join(PAGE))?)?;
    let tests = find_tests(sh, root)?;
    let mut problems = page.problems(&tests);
    let cases = page.cases.iter().map(|case| case.id.as_str()).collect();
    problems.extend(claims::problems(sh, root, &cases, &tests)?);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// `docs/cases.md`: the text of its chapters, and the lists of tests.
#[derive(Debug, Default, Eq, PartialEq)]
struct Page {
    /// The text before the first case.
    opening: String,
    cases: Vec<Case>,
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Case {
    id: String,
    promise: String,
    owner: Option<String>,
    tests: Vec<String>,
    /// The heading and the text of the chapter that begins after it.
    chapter: String,
}

impl Page {
    fn parse(text: &str) -> Result<Self> {
        let mut page = Self::default();
        for block in text.trim().split("\n\n").map(str::trim) {
            if let Some(id) = block.strip_prefix("### ") {
                page.cases.push(Case { id: id.to_owned(), ..Case::default() });
                continue;
            }
            let Some(case) = page.cases.last_mut() else {
                push_block(&mut page.opening, block);
                continue;
            };
            let owner = block.strip_prefix("Owner: `").and_then(|rest| rest.strip_suffix("`."));
            if block.starts_with("## ") || !case.chapter.is_empty() {
                push_block(&mut case.chapter, block);
            } else if let Some(owner) = owner {
                case.owner = Some(owner.to_owned());
            } else if block.starts_with("- `") {
                for line in block.lines() {
                    let test = line.strip_prefix("- `").and_then(|rest| rest.strip_suffix('`'));
                    case.tests.push(test.with_context(|| format!("no test: {line}"))?.to_owned());
                }
            } else {
                push_block(&mut case.promise, block);
            }
        }
        Ok(page)
    }

    fn to_text(&self) -> String {
        let mut text = self.opening.clone();
        for Case { id, promise, owner, tests, chapter } in &self.cases {
            push_block(&mut text, &format!("### {id}"));
            push_block(&mut text, promise);
            if let Some(owner) = owner {
                push_block(&mut text, &format!("Owner: `{owner}`."));
            }
            let list: Vec<String> = tests.iter().map(|test| format!("- `{test}`")).collect();
            push_block(&mut text, &list.join("\n"));
            push_block(&mut text, chapter);
        }
        text.push('\n');
        text
    }

    /// The page with the present tests: those with the id, and those that people named beside them.
    fn with_tests(mut self, tests: &Tests) -> Self {
        let kept = by_case(tests);
        for case in &mut self.cases {
            case.tests = case.tests.iter().filter_map(|named| current_name(named, tests)).collect();
            for test in kept.get(&case.id).into_iter().flatten().map(|test| test.to_text()) {
                if !case.tests.contains(&test) {
                    case.tests.push(test);
                }
            }
        }
        self
    }

    fn problems(&self, tests: &Tests) -> Vec<String> {
        let mut problems = Vec::new();
        let kept = by_case(tests);
        let mut ids = BTreeSet::new();
        for case in &self.cases {
            let id = &case.id;
            if !ids.insert(id) {
                problems.push(format!("{id} is in {PAGE} twice"));
            }
            if case.promise.is_empty() {
                problems.push(format!("{id}: {PAGE} does not say what is promised"));
            }
            if case.tests.is_empty() {
                problems.push(format!("{id}: no test keeps what {PAGE} promises"));
            }
            problems.extend(case.test_problems(tests, kept.get(id).map_or(&[], Vec::as_slice)));
        }
        for (id, tests) in kept.iter().filter(|(id, _)| !ids.contains(id)) {
            problems.push(format!("{id} is not in {PAGE}: {}", tests[0].to_text()));
        }
        problems
    }
}

impl Case {
    fn test_problems(&self, tests: &Tests, kept: &[&TestName]) -> Vec<String> {
        let Self { id, owner, .. } = self;
        let mut problems = Vec::new();
        for named in &self.tests {
            let found = tests.iter().find(|(test, _)| test.to_text() == *named);
            match found {
                Some((_, Found::Runs)) => {}
                Some((_, Found::Ignored)) => problems.push(format!("{id}: {named} is ignored")),
                None => problems.push(format!("{id}: there is no {named}; {AGAIN}")),
            }
        }
        for test in kept.iter().map(|test| test.to_text()) {
            if !self.tests.contains(&test) {
                problems.push(format!("{id}: {PAGE} does not name {test}; {AGAIN}"));
            }
        }
        let named = tests.keys().filter(|test| self.tests.contains(&test.to_text()));
        let levels: BTreeSet<&str> = named.map(TestName::level).collect();
        match owner {
            None if levels.len() > 1 => {
                problems
                    .push(format!("{id} is tested in {levels:?}: {PAGE} does not say who owns it"));
            }
            Some(owner) if levels.len() < 2 || !levels.contains(owner.as_str()) => {
                problems
                    .push(format!("{id} is tested in {levels:?}, and {owner} owns it in {PAGE}"));
            }
            None | Some(_) => {}
        }
        problems
    }
}

/// The tests of each case.
fn by_case(tests: &Tests) -> BTreeMap<String, Vec<&TestName>> {
    let mut kept: BTreeMap<String, Vec<&TestName>> = BTreeMap::new();
    for test in tests.keys() {
        for case in test.cases() {
            kept.entry(case.to_text()).or_default().push(test);
        }
    }
    kept
}

/// The present name of a test, whose file may have moved.
fn current_name(named: &str, tests: &Tests) -> Option<String> {
    if tests.keys().any(|test| test.to_text() == named) {
        return Some(named.to_owned());
    }
    let (_, name) = named.rsplit_once("::")?;
    let mut moved = tests.keys().filter(|test| test.name == name);
    moved.next().filter(|_| moved.next().is_none()).map(TestName::to_text)
}

fn push_block(text: &mut String, block: &str) {
    if !text.is_empty() && !block.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(block);
}

const PAGE: &str = "docs/cases.md";
const AGAIN: &str = "run `cargo xtask cases`";

#[cfg(test)]
mod tests {
    use super::*;

    fn test(path: &str, name: &str) -> TestName {
        TestName { path: path.to_owned(), name: name.to_owned() }
    }

    const TEXT: &str = "\
# Cases

What this is.

## A chapter

### cb_09

One promise,
on two lines.

- `crates/a/src/x.rs::cb_09_a`

## Another chapter

With words.

### f11

Another promise.

Owner: `tests`.

- `crates/a/src/x.rs::f11_a`
- `tests/it/x.rs::f11_b`
";

    fn tests() -> Tests {
        let a = "crates/a/src/x.rs";
        [(a, "cb_09_a"), (a, "f11_a"), ("tests/it/x.rs", "f11_b"), (a, "another")]
            .map(|(path, name)| (test(path, name), Found::Runs))
            .into()
    }

    #[test]
    fn a_page_is_kept_but_for_its_lists() {
        let page = Page::parse(TEXT).unwrap();
        assert_eq!(page.to_text(), TEXT);
        assert_eq!(Page::parse(TEXT).unwrap().with_tests(&tests()), page);

        let mut more = tests();
        more.insert(test("crates/a/src/y.rs", "cb_09_b"), Found::Runs);
        more.remove(&test("tests/it/x.rs", "f11_b"));
        more.remove(&test("crates/a/src/x.rs", "another"));
        more.insert(test("crates/a/src/moved.rs", "another"), Found::Runs);
        let beside = "- `crates/a/src/x.rs::another`\n- `crates/a/src/x.rs::f11_a`";
        let text = TEXT.replace("- `crates/a/src/x.rs::f11_a`", beside);
        let expected = text
            .replace("rs::cb_09_a`\n", "rs::cb_09_a`\n- `crates/a/src/y.rs::cb_09_b`\n")
            .replace("x.rs::another", "moved.rs::another")
            .replace("- `tests/it/x.rs::f11_b`\n", "");
        assert_eq!(Page::parse(&text).unwrap().with_tests(&more).to_text(), expected);
        assert!(Page::parse("### cb_09\n\n- `x`\nno test").is_err());
    }

    #[test]
    fn each_way_to_differ_is_a_problem() {
        let extended = |change: fn(&mut Tests)| {
            let mut tests = tests();
            change(&mut tests);
            tests
        };
        let cases = [
            ("nothing", TEXT.to_owned(), tests(), 0),
            ("no promise", TEXT.replace("Another promise.\n\n", ""), tests(), 1),
            (
                "a promise that nothing keeps",
                TEXT.replace("## Another", "### ck_01\n\nA third.\n\n## Another"),
                tests(),
                1,
            ),
            ("an id twice", TEXT.replace("### f11", "### cb_09"), tests(), 3),
            ("no owner", TEXT.replace("Owner: `tests`.\n\n", ""), tests(), 1),
            ("a strange owner", TEXT.replace("Owner: `tests`", "Owner: `b`"), tests(), 1),
            ("an owner of one level", TEXT.replace(",\non", "\n\nOwner: `a`.\n\non"), tests(), 1),
            (
                "a test that is not named",
                TEXT.replace("- `crates/a/src/x.rs::cb_09_a`\n\n", ""),
                tests(),
                2,
            ),
            (
                "a test that is gone",
                TEXT.to_owned(),
                extended(|tests| tests.retain(|test, _| test.name != "cb_09_a")),
                1,
            ),
            (
                "an ignored test",
                TEXT.to_owned(),
                extended(|tests| tests.extend([(test("tests/it/x.rs", "f11_b"), Found::Ignored)])),
                1,
            ),
            (
                "a new case",
                TEXT.to_owned(),
                extended(|tests| tests.extend([(test("x.rs", "ck_01_x"), Found::Runs)])),
                1,
            ),
        ];
        for (name, text, tests, expected) in cases {
            let problems = Page::parse(&text).unwrap().problems(&tests);
            assert_eq!(problems.len(), expected, "{name}: {problems:?}");
        }
    }

    #[test]
    fn the_page_names_every_case_and_every_test_of_one() -> Result<()> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("crates/xtask")?;
        check(&Shell::new()?, root)
    }
}
