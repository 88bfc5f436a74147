//! What crates.io and docs.rs show of a package.

use crate::project::Package;

/// What is missing of the manifest of a package and of its first page. `read` reads a file beside the manifest.
pub(super) fn problems(package: &Package, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let manifest = &package.manifest;
    let mut problems = Vec::new();
    let mut demand = |is_met: bool, problem: String| {
        if !is_met {
            problems.push(format!("{}: {problem}", package.name));
        }
    };
    for field in ["description", "readme", "license", "repository", "documentation", "rust_version"]
    {
        demand(
            manifest[field].as_str().is_some_and(|text| !text.is_empty()),
            format!("no {field}"),
        );
    }
    for (field, most) in [("keywords", 5), ("categories", 5)] {
        let count = manifest[field].as_array().map_or(0, Vec::len);
        demand((1..=most).contains(&count), format!("{count} {field}: 1 to {most} are shown"));
    }
    demand(
        manifest["metadata"]["docs"]["rs"]["all-features"] == true,
        "docs.rs would not show all features".to_owned(),
    );
    for file in ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        demand(read(file).is_some_and(|text| !text.trim().is_empty()), format!("no {file}"));
    }
    if package.has_library() {
        let source = read("src/lib.rs").unwrap_or_default();
        let page: Vec<_> = source.lines().filter(|line| line.starts_with("//!")).collect();
        for feature in &package.features {
            let is_explained = page.iter().any(|line| line.contains(&format!("| `{feature}`")));
            demand(is_explained, format!("feature `{feature}` has no row on the front page"));
        }
        let marks = "#![cfg_attr(docsrs, feature(doc_cfg))]";
        let has_marks = package.features.is_empty() || source.lines().any(|line| line == marks);
        demand(has_marks, format!("no `{marks}`, so that docs.rs marks no feature"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(change: impl FnOnce(&mut Value)) -> Package {
        let mut manifest = json!({
            "description": "d", "readme": "README.md", "license": "MIT", "repository": "https://r",
            "documentation": "https://d", "rust_version": "1.88", "keywords": ["k"], "categories": ["c"],
            "metadata": { "docs": { "rs": { "all-features": true } } },
            "targets": [{ "kind": ["lib"] }],
        });
        change(&mut manifest);
        Package { name: "a".to_owned(), features: vec!["extra".to_owned()], manifest }
    }

    const PAGE: &str = "//! | `extra` | more |\n\n#![cfg_attr(docsrs, feature(doc_cfg))]\n";

    fn read(page: &str) -> impl Fn(&str) -> Option<String> {
        move |path| Some(if path == "src/lib.rs" { page } else { "text" }.to_owned())
    }

    #[test]
    fn a_package_with_everything_has_no_problem() {
        assert_eq!(problems(&package(|_| ()), read(PAGE)), <[String; 0]>::default());
    }

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let without = |field: &'static str| package(move |manifest| manifest[field] = Value::Null);
        let cases = [
            (without("repository"), PAGE, "no repository"),
            (without("readme"), PAGE, "no readme"),
            (without("metadata"), PAGE, "docs.rs would not show all features"),
            (without("keywords"), PAGE, "0 keywords"),
            (
                package(|manifest| manifest["keywords"] = json!(["1", "2", "3", "4", "5", "6"])),
                PAGE,
                "6 keywords",
            ),
            (
                package(|_| ()),
                "//! Nothing.\n#![cfg_attr(docsrs, feature(doc_cfg))]\n",
                "feature `extra`",
            ),
            (package(|_| ()), "//! | `extra` | more |\n", "docs.rs marks no feature"),
        ];
        for (package, page, expected) in cases {
            let found = problems(&package, read(page));
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
        let found =
            problems(&package(|_| ()), |path| (path == "src/lib.rs").then(|| PAGE.to_owned()));
        assert_eq!(found, ["a: no CHANGELOG.md", "a: no LICENSE-APACHE", "a: no LICENSE-MIT"]);
    }
}
