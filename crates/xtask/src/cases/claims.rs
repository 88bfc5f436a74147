//! What `SECURITY.md` claims, and what `docs/proof.md` says shows it.
//!
//! Each attacker and each decision links to a row of the page, and each row names cases of `docs/cases.md` or tests:
//!
//! ```text
//! | <a id="stranger"></a>a stranger | [`dl_01`](cases.md#dl_01), `tests/it/floods.rs::a_flood` |
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Result;
use xshell::Shell;

use super::test_names::{Found, TestName, Tests};

/// A line for each claim without a row, each row without a claim, and each row that names what is not there.
pub(super) fn problems(
    sh: &Shell,
    root: &Path,
    cases: &BTreeSet<&str>,
    tests: &Tests,
) -> Result<Vec<String>> {
    let (security, proof) =
        (sh.read_file(root.join("SECURITY.md"))?, sh.read_file(root.join("docs/proof.md"))?);
    let mut problems = differences(&security, &proof, cases, tests);
    problems.extend(unknown_tests("docs/proof.md", &proof, tests));
    let faults = sh.read_file(root.join("docs/faults.md"))?;
    problems.extend(unknown_tests("docs/faults.md", &faults, tests));
    Ok(problems)
}

/// A line for each name on a page that reads like a test's and begins no test's name.
fn unknown_tests(page: &str, text: &str, tests: &Tests) -> Vec<String> {
    let is_sentence = |name: &&str| {
        let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        name.bytes().all(of_name) && name.bytes().filter(|byte| *byte == b'_').count() >= 4
    };
    // A code span begins after every other mark.
    let named = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    named
        .filter(is_sentence)
        .filter(|name| !tests.keys().any(|test| test.name.starts_with(name)))
        .map(|name| format!("{page}: there is no test {name}"))
        .collect()
}

fn differences(security: &str, proof: &str, cases: &BTreeSet<&str>, tests: &Tests) -> Vec<String> {
    let (mut problems, mut linked) = (Vec::new(), BTreeSet::new());
    for claim in claims(security) {
        let start: String = claim.chars().take(50).collect();
        match between(claim, "(docs/proof.md#", ")") {
            None => problems.push(format!("SECURITY.md does not say what shows: {start}")),
            Some(id) if !linked.insert(id) => problems.push(format!("two claims have #{id}")),
            Some(_) => {}
        }
    }
    let rows = rows(proof);
    for id in linked.iter().filter(|id| !rows.contains_key(*id)) {
        problems.push(format!("docs/proof.md has no row #{id}"));
    }
    for (id, shown_by) in rows {
        if !linked.contains(id) {
            problems.push(format!("no claim of SECURITY.md leads to #{id}"));
        }
        let cases_of = parts(shown_by, "(cases.md#", ")");
        let tests_of: Vec<_> =
            parts(shown_by, "`", "`").into_iter().filter(|it| it.contains("::")).collect();
        if cases_of.is_empty() && tests_of.is_empty() {
            problems.push(format!("#{id}: nothing shows it"));
        }
        for case in cases_of.into_iter().filter(|case| !cases.contains(case)) {
            problems.push(format!("#{id}: there is no case {case}"));
        }
        for test in tests_of {
            let name = test
                .rsplit_once("::")
                .map(|(path, name)| TestName { path: path.to_owned(), name: name.to_owned() });
            if name.and_then(|name| tests.get(&name).copied()) != Some(Found::Runs) {
                problems.push(format!("#{id}: there is no test {test}"));
            }
        }
    }
    problems
}

/// The rows of the table of attackers, and the decisions.
fn claims(security: &str) -> Vec<&str> {
    let attackers = security.lines().skip_while(|line| !line.starts_with("| attacker |")).skip(2);
    let attackers = attackers.take_while(|line| line.starts_with('|'));
    let decisions = between(security, "\n## Decisions", "\n## ").unwrap_or_default();
    attackers.chain(decisions.lines().filter(|line| line.starts_with("- **"))).collect()
}

/// What shows each claim, by its id.
fn rows(proof: &str) -> BTreeMap<&str, &str> {
    let rows = proof.lines().filter_map(|line| line.strip_prefix("| <a id=\""));
    rows.filter_map(|row| Some((row.split_once('"')?.0, row.split_once(" | ")?.1))).collect()
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}

/// Everything between `open` and the next `close`.
fn parts<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((part, after)) =
        rest.split_once(open).and_then(|(_, after)| after.split_once(close))
    {
        parts.push(part);
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECURITY: &str = "\
| attacker | can | cannot |
|---|---|---|
| [a stranger](docs/proof.md#stranger) | send | get in |

## Decisions that everything else rests on

- **[Fail closed.](docs/proof.md#fail-closed)** It does,
  always.
- **[Signatures first.](docs/proof.md#signatures)** Then time.

## Where tokens live
";
    const PROOF: &str = "\
| <a id=\"stranger\"></a>a stranger | [`dl_01`](cases.md#dl_01), `tests/it/a.rs::no_entry` |
| <a id=\"fail-closed\"></a>fail closed | [`rg_03`](cases.md#rg_03) |
| <a id=\"signatures\"></a>signatures first | `crates/a/src/b.rs::signed` |
";

    #[test]
    fn a_name_on_a_page_begins_the_name_of_a_test() {
        let path = "crates/a/src/b.rs".to_owned();
        let test = TestName { path, name: "a_token_is_read_once".to_owned() };
        let tests = Tests::from([(test, Found::Runs)]);
        for (text, problems) in [
            ("`a_token_is_read_once` and `a_token_is_read_`", 0),
            ("not `a_token_is_read_twice`, nor `a_code_is_read_once`", 2),
            ("`a::token_is_read_twice`, `A_TOKEN_IS_READ`, a_token_is_not_read, `a_b_c_d`", 0),
        ] {
            assert_eq!(unknown_tests("docs/a.md", text, &tests).len(), problems, "{text}");
        }
    }

    #[test]
    fn each_claim_has_its_row_and_each_row_what_there_is() {
        let cases = BTreeSet::from(["dl_01", "rg_03"]);
        let named =
            |path: &str, name: &str| TestName { path: path.to_owned(), name: name.to_owned() };
        let tests = Tests::from([
            (named("tests/it/a.rs", "no_entry"), Found::Runs),
            (named("crates/a/src/b.rs", "signed"), Found::Runs),
            (named("crates/a/src/b.rs", "later"), Found::Ignored),
        ]);
        let rows = [
            ("as it should be", "", "", 0),
            (
                "a claim without a link",
                "[Signatures first.](docs/proof.md#signatures)",
                "Signatures",
                2,
            ),
            ("a link that leads nowhere", "proof.md#stranger", "proof.md#strangers", 2),
            ("two claims of one row", "proof.md#signatures", "proof.md#stranger", 2),
            (
                "a row without a claim",
                "- **[Fail closed.](docs/proof.md#fail-closed)** It",
                "It",
                1,
            ),
            ("a case that is gone", "cases.md#rg_03", "cases.md#rg_04", 1),
            ("a test that is gone", "::no_entry", "::entry", 1),
            ("a test that is ignored", "::signed", "::later", 1),
            ("nothing", "`crates/a/src/b.rs::signed`", "our word", 1),
        ];
        for (name, old, new, expected) in rows {
            let (security, proof) = (SECURITY.replacen(old, new, 1), PROOF.replacen(old, new, 1));
            let found = differences(&security, &proof, &cases, &tests);
            assert_eq!(found.len(), expected, "{name}: {found:?}");
        }
    }
}
