//! `cargo xtask coverage`: which lines of the two libraries their tests run.
//!
//! A line counts if a test of the crate or a behaviour test runs it. The programs that behaviour tests start do not
//! count: most are killed, and write no profile. Tests, what tests share, and examples in the documentation do not
//! count either.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{project::Project, setup, steps::Steps, tally::Tally};

/// Runs the tests beside the code alone, or the behaviour tests too.
pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    measure(sh, project, steps, &["--package=authkit-tests", "--lib", "--test=it"])
}

pub(crate) fn run_quick(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    measure(sh, project, steps, &["--lib"])
}

fn measure(sh: &Shell, project: &Project, steps: &mut Steps, tests: &[&str]) -> Result<()> {
    let mut program = PathBuf::new();
    steps.take("set-up of cargo-llvm-cov", || {
        program = setup::install_llvm_cov(sh, project)?;
        Ok(())
    })?;
    let lcov = project.target.join("coverage.lcov");
    sh.remove_path(&lcov)?;
    let packages = LIBRARIES.iter().map(|library| format!("--package={library}"));
    steps.test("tests, with every line counted", || {
        // A test that fails does not keep the lines back, and a program that was killed leaves half a profile.
        let tally = Tally::of(cmd!(
            sh,
            "{program} llvm-cov --all-features --locked --ignore-run-fail --failure-mode=all
             {packages...} {tests...} --lcov --output-path {lcov}"
        ))?;
        remove_profiles(sh, &project.root.join("tests"))?;
        let report = sh.read_file(&lcov)?;
        for library in LIBRARIES {
            let folder = project.root.join("crates").join(library).join("src");
            let files = files(&report, &folder, |path| Ok(sh.read_file(path)?))?;
            print(library, &folder, &files);
        }
        Ok(tally)
    })
}

/// Removes what programs have written whose environment a test cleared, and with it the place for their profiles.
fn remove_profiles(sh: &Shell, folder: &Path) -> Result<()> {
    for path in sh.read_dir(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("default_") && name.ends_with(".profraw") {
            sh.remove_path(&path)?;
        }
    }
    Ok(())
}

/// A file's lines of code that are not of its tests.
#[derive(Debug, Default, Eq, PartialEq)]
struct File {
    path: PathBuf,
    lines: usize,
    missed: Vec<usize>,
}

/// Reads an `lcov` report: `SF:` names a file, `DA:` a line and how often it ran.
fn files(report: &str, folder: &Path, read: impl Fn(&Path) -> Result<String>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for record in report.split("end_of_record") {
        let path = record.lines().find_map(|line| line.strip_prefix("SF:")).map(Path::new);
        let Some(path) = path.filter(|path| path.starts_with(folder) && !is_test(path)) else {
            continue;
        };
        let code = code_lines(&read(path)?);
        let mut file = File { path: path.to_owned(), ..File::default() };
        for count in record.lines().filter_map(|line| line.strip_prefix("DA:")) {
            let (line, count) = count.split_once(',').context("a line and its count")?;
            let line: usize = line.parse()?;
            if line <= code {
                file.lines += 1;
                file.missed.extend((count == "0").then_some(line));
            }
        }
        files.push(file);
    }
    Ok(files)
}

fn is_test(path: &Path) -> bool {
    let names = path.components().map(|part| part.as_os_str().to_string_lossy());
    names.into_iter().any(|name| TESTS.contains(&&*name))
}

/// How many lines come before the tests, which are a file's last part.
fn code_lines(source: &str) -> usize {
    let lines: Vec<_> = source.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| matches!(pair, ["#[cfg(test)]", "mod tests {" | "mod tests;"]));
    tests.unwrap_or(lines.len())
}

fn print(library: &str, folder: &Path, files: &[File]) {
    let missed: usize = files.iter().map(|file| file.missed.len()).sum();
    let lines: usize = files.iter().map(|file| file.lines).sum();
    for file in files.iter().filter(|file| !file.missed.is_empty()) {
        let path = file.path.strip_prefix(folder).unwrap_or(&file.path).display();
        println!("{path}: {:?}", file.missed);
    }
    let share = 100.0 * (lines - missed) as f64 / lines.max(1) as f64;
    println!("{library}: {share:.1} % of {lines} lines");
}

const LIBRARIES: [&str; 2] = ["authkit-session", "authkit-tower"];
/// Files and folders that hold tests, or what tests alone use.
const TESTS: &[&str] =
    &["tests.rs", "tests", "testing.rs", "testing", "simulation.rs", "simulation"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_code_count_and_lines_of_tests_do_not() {
        let report = "SF:/p/src/a.rs\nDA:1,4\nDA:2,0\nDA:5,0\nend_of_record\n\
                      SF:/p/src/a/tests.rs\nDA:1,0\nend_of_record\n\
                      SF:/q/src/b.rs\nDA:1,0\nend_of_record\n";
        let source = |_: &Path| Ok("fn a() {\n}\n\n#[cfg(test)]\nmod tests {\n}\n".to_owned());
        let found = files(report, Path::new("/p/src"), source).unwrap();
        let expected = File { path: "/p/src/a.rs".into(), lines: 2, missed: vec![2] };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn only_profiles_are_removed() {
        let sh = Shell::new().unwrap();
        let folder = sh.create_temp_dir().unwrap();
        let names = ["default_1_0.profraw", "default.rs", "it.profraw"];
        for name in names {
            sh.write_file(folder.path().join(name), "x").unwrap();
        }
        remove_profiles(&sh, folder.path()).unwrap();
        let left = names.map(|name| sh.path_exists(folder.path().join(name)));
        assert_eq!(left, [false, true, true]);
    }

    #[test]
    fn a_report_that_is_not_understood_is_an_error() {
        let source = |_: &Path| Ok(String::new());
        for wrong in ["DA:1", "DA:x,1"] {
            let report = format!("SF:/p/a.rs\n{wrong}\nend_of_record\n");
            assert!(files(&report, Path::new("/p"), source).is_err(), "{wrong}");
        }
    }
}
