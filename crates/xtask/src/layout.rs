//! The rules for every source file: short enough to read in one go, and no `unsafe` in any crate.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use xshell::Shell;

use crate::project::Project;

pub(crate) fn check(sh: &Shell, project: &Project) -> Result<()> {
    let mut problems = Vec::new();
    for folder in ["crates", "examples"] {
        for file in sources(sh, &project.root.join(folder))? {
            let lines = code_before_tests(&sh.read_file(&file)?);
            if lines > MOST_LINES {
                problems.push(format!(
                    "{}: {lines} lines of code before its tests, {MOST_LINES} at most",
                    file.display()
                ));
            }
        }
    }
    for root in &project.crate_roots {
        if !sh.read_file(root)?.lines().any(|line| line == FORBID_UNSAFE) {
            problems.push(format!("{}: a crate without {FORBID_UNSAFE}", root.display()));
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// The Rust files below `folder` that are not only tests.
pub(crate) fn sources(sh: &Shell, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in sh.read_dir(folder)? {
        if entry.file_stem().is_some_and(|name| name == "tests" || name == "testing") {
            continue;
        }
        if entry.is_dir() {
            sources.extend(self::sources(sh, &entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            sources.push(entry);
        }
    }
    Ok(sources)
}

/// The number of lines before the module of tests, which comes last. Public documentation and its examples are not
/// counted: a facade keeps all its methods, with their documentation, in one file.
fn code_before_tests(source: &str) -> usize {
    let is_documentation = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("///") || line.starts_with("//!")
    };
    let lines: Vec<&str> = source.lines().filter(|line| !is_documentation(line)).collect();
    let tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests");
    lines.windows(2).position(tests).unwrap_or(lines.len())
}

const MOST_LINES: usize = 300;
const FORBID_UNSAFE: &str = "#![forbid(unsafe_code)]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_until_the_module_of_tests() {
        let cases = [
            ("", 0),
            ("//! A crate.\n\n/// A function.\n///\n/// ```\n/// f();\n/// ```\nfn f() {}\n", 2),
            ("fn f() {\n    /// Of a field.\n    // Of the code.\n}\n", 3),
            ("fn f() {}\n", 1),
            ("fn f() {}\n\n#[cfg(test)]\nmod tests {\n}\n", 2),
            ("fn f() {}\n#[cfg(test)]\nmod tests;\n", 1),
            ("#[cfg(test)]\nfn only_tests_need_it() {}\nfn f() {}\n#[cfg(test)]\nmod tests;\n", 3),
        ];
        for (source, expected) in cases {
            assert_eq!(code_before_tests(source), expected, "{source}");
        }
    }

    #[test]
    fn every_source_is_found_but_tests() -> Result<()> {
        let sh = Shell::new()?;
        let folder = sh.create_temp_dir()?;
        let files = [
            "src/lib.rs",
            "src/seal/go.rs",
            "src/seal/tests.rs",
            "src/seal/tests/x.rs",
            "tests/it/main.rs",
            "a.md",
        ];
        for file in files {
            sh.write_file(folder.path().join(file), "")?;
        }
        let mut found = sources(&sh, folder.path())?;
        found.sort();
        assert_eq!(found, ["src/lib.rs", "src/seal/go.rs"].map(|file| folder.path().join(file)));
        Ok(())
    }
}
