//! The tests, and the cases that their names begin with.

use std::{
    collections::BTreeMap,
    iter::Peekable,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use xshell::Shell;

/// A test, identified by the path of its file and its name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct TestName {
    /// The path from the root of the workspace.
    pub(super) path: String,
    pub(super) name: String,
}

/// A test as the sources have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    Runs,
    Ignored,
}

pub(super) type Tests = BTreeMap<TestName, Found>;

impl TestName {
    /// The cases that the test keeps, from the start of its name: `rd_03_to_rd_09_..` keeps seven.
    pub(super) fn cases(&self) -> Vec<CaseId> {
        let mut words = self.name.split('_').peekable();
        let mut cases: Vec<CaseId> = Vec::new();
        loop {
            let is_range = !cases.is_empty() && words.next_if_eq(&"to").is_some();
            let Some(case) = CaseId::next(&mut words) else { return cases };
            let before = cases.last().cloned().filter(|before| is_range && before.row == case.row);
            let first = before.map_or(case.number, |before| before.number + 1);
            cases.extend((first..=case.number).map(|number| CaseId { number, ..case.clone() }));
        }
    }

    /// The package, or folder of packages, that the test is in.
    pub(super) fn level(&self) -> &str {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next().unwrap_or_default(),
            first => first.unwrap_or_default(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        format!("{}::{}", self.path, self.name)
    }
}

/// `cb_09` of the acceptance cases, or `f11` of the field's reports.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct CaseId {
    row: Row,
    number: u32,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Row {
    Acceptance(String),
    Field(char),
}

impl CaseId {
    /// Reads an id from the words of a name.
    fn next<'a>(words: &mut Peekable<impl Iterator<Item = &'a str> + Clone>) -> Option<Self> {
        let number = |text: &str| text.parse().ok();
        let word = *words.peek()?;
        if ACCEPTANCE.contains(&word) {
            let mut rest = words.clone();
            rest.next();
            let second = rest.next().filter(|second| second.len() == 2)?;
            let id = Self { row: Row::Acceptance(word.to_owned()), number: number(second)? };
            *words = rest;
            return Some(id);
        }
        let mut characters = word.chars();
        let letter = characters.next()?;
        let number = number(characters.as_str())?;
        let (_, numbers) = FIELD.iter().find(|(known, _)| *known == letter)?;
        words.next().filter(|_| numbers.contains(&number))?;
        Some(Self { row: Row::Field(letter), number })
    }

    pub(super) fn to_text(&self) -> String {
        match &self.row {
            Row::Acceptance(row) => format!("{row}_{:02}", self.number),
            Row::Field(letter) => format!("{letter}{}", self.number),
        }
    }
}

/// Every test of the workspace.
pub(super) fn find_tests(sh: &Shell, root: &Path) -> Result<Tests> {
    let mut tests = Tests::new();
    for folder in ["crates", "examples", "tests"] {
        for file in rust_files(sh, &root.join(folder))? {
            let path = file.strip_prefix(root)?.to_str().context("a path that is not Unicode")?;
            let tokens = TokenStream::from_str(&sh.read_file(&file)?);
            let tokens = tokens.map_err(|error| anyhow::anyhow!("{path}: {error}"))?;
            add_tests(path, tokens, &mut tests);
        }
    }
    Ok(tests)
}

fn rust_files(sh: &Shell, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in sh.read_dir(folder)? {
        if entry.is_dir() && !entry.ends_with("target") {
            files.extend(rust_files(sh, &entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    Ok(files)
}

/// Looks for `#[..test..] fn name` in tokens, so that tests inside a macro's braces are found too.
fn add_tests(path: &str, tokens: TokenStream, tests: &mut Tests) {
    let mut attributes = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(attribute)) = tokens.peek() {
                    attributes.push(attribute.stream().to_string().replace(' ', ""));
                    tokens.next();
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                let is = |name: &str| {
                    attributes.iter().any(|attribute| {
                        let path = attribute.split(['(', '=']).next().unwrap_or_default();
                        path.rsplit("::").next() == Some(name)
                    })
                };
                if let Some(TokenTree::Ident(name)) = tokens.peek()
                    && is("test")
                {
                    let found = if is("ignore") { Found::Ignored } else { Found::Runs };
                    tests.insert(TestName { path: path.to_owned(), name: name.to_string() }, found);
                }
                attributes.clear();
            }
            // `pub`, `async` and their like stand between the attributes and the `fn`.
            TokenTree::Ident(word) => {
                if !["pub", "async", "const", "unsafe", "extern"].iter().any(|known| word == known)
                {
                    attributes.clear();
                }
            }
            TokenTree::Group(group) => {
                if group.delimiter() != proc_macro2::Delimiter::Parenthesis {
                    attributes.clear();
                }
                add_tests(path, group.stream(), tests);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The chapters of the acceptance cases.
const ACCEPTANCE: [&str; 16] = [
    "ck", "se", "jw", "jk", "rf", "cc", "mr", "cb", "rd", "lo", "ch", "cs", "dl", "up", "rg", "pl",
];
/// How many reports each chapter of the field has.
const FIELD: [(char, RangeInclusive<u32>); 6] =
    [('a', 1..=5), ('b', 1..=6), ('c', 1..=6), ('d', 1..=8), ('e', 1..=16), ('f', 1..=12)];

#[cfg(test)]
mod tests {
    use super::*;

    fn test(path: &str, name: &str) -> TestName {
        TestName { path: path.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_name_begins_with_the_cases_that_it_keeps() {
        let cases: [(&str, &[&str]); 14] = [
            ("cb_09_success_leaves_no_trace", &["cb_09"]),
            ("rf_01_rf_02_a_session_outlives_its_token", &["rf_01", "rf_02"]),
            ("rd_03_to_rd_05_every_client", &["rd_03", "rd_04", "rd_05"]),
            ("rd_03_to_cb_05_is_no_range", &["rd_03", "cb_05"]),
            ("f11_a_name", &["f11"]),
            ("a1_a2_display_data_decides_nothing", &["a1", "a2"]),
            ("d8_a_1_of_2", &["d8"]),
            ("e16", &["e16"]),
            ("a6_is_no_report", &[]),
            ("b64_is_an_encoding", &[]),
            ("cb_9_has_no_two_digits", &[]),
            ("in_10_seconds", &[]),
            ("what_ck_05_says", &[]),
            ("", &[]),
        ];
        for (name, expected) in cases {
            let found: Vec<_> = test("", name).cases().iter().map(CaseId::to_text).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn every_test_of_a_file_is_found_and_nothing_else() {
        let source = "
            #[test] fn a() {}
            #[tokio::test(start_paused = true)]
            #[allow(clippy::x, reason = \"#[test] fn text() {}\")]
            pub(crate) async fn b() { fn helper() {} }
            #[cfg(test)] mod tests { #[test] #[ignore = \"slow\"] fn c() {} #[test] fn d() {} }
            proptest! { #![config(x)] #[test] fn e(input in any::<String>()) {} }
            #[cfg(test)] fn no() {} #[test_helper] fn neither() {} #[test] struct S; fn nor() {}
            // #[test] fn comment() {}
        ";
        let mut found = Tests::new();
        add_tests("x.rs", TokenStream::from_str(source).unwrap(), &mut found);
        let expected = [
            ("a", Found::Runs),
            ("b", Found::Runs),
            ("c", Found::Ignored),
            ("d", Found::Runs),
            ("e", Found::Runs),
        ];
        assert_eq!(found, expected.map(|(name, found)| (test("x.rs", name), found)).into());
    }
}
