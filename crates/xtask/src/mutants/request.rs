//! What the command line asks for.

use std::env;

use anyhow::{Context, Result, bail, ensure};

/// Which mutants to make.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Request {
    paths: Vec<Module>,
    shard: Option<String>,
    revision: Option<String>,
    thoroughness: Thoroughness,
}

/// Which tests a mutant has to survive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Thoroughness {
    /// Those beside the module.
    Beside,
    /// The quick ones beside the code.
    Quick,
    /// All beside the code.
    Units,
    #[default]
    All,
}

impl Request {
    pub(super) fn from_command_line() -> Result<Self> {
        Self::parse(env::args().skip(2))
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut request = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--beside" => request.thoroughness = Thoroughness::Beside,
                "--units" => request.thoroughness = Thoroughness::Units,
                "--quick" => request.thoroughness = Thoroughness::Quick,
                "--shard" => request.shard = Some(arguments.next().context("--shard K/N")?),
                "--in-diff" => {
                    request.revision = Some(arguments.next().context("--in-diff REVISION")?);
                }
                option if option.starts_with('-') => bail!("no such option: {option}"),
                path => request.paths.push(Module::of(path)?),
            }
        }
        Ok(request)
    }

    /// The modules that are named, or all that decide.
    pub(super) fn modules(&self) -> Vec<Module> {
        match self.paths.is_empty() {
            true => DECIDING.iter().map(|stem| Module { stem: (*stem).to_owned() }).collect(),
            false => self.paths.clone(),
        }
    }

    /// The revision whose changes alone are looked at.
    pub(super) fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    pub(super) fn thoroughness(&self) -> Thoroughness {
        self.thoroughness
    }

    /// Every N-th mutant, from all over the module.
    pub(super) fn shard_options(&self) -> Vec<String> {
        self.shard
            .iter()
            .flat_map(|shard| ["--shard", shard, "--sharding", "round-robin"])
            .map(str::to_owned)
            .collect()
    }
}

/// A file and the folder of its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Module {
    /// Such as `crates/authkit-session/src/decide`.
    stem: String,
}

impl Module {
    pub(super) fn of(path: &str) -> Result<Self> {
        let stem = path.trim_end_matches('/').trim_end_matches(".rs").to_owned();
        let parts: Vec<_> = stem.split('/').collect();
        ensure!(
            matches!(parts[..], ["crates", _, "src", _, ..]),
            "{path} is not a module, such as {}",
            DECIDING[0]
        );
        Ok(Self { stem })
    }

    /// All of a package.
    pub(super) fn whole(package: &str) -> Self {
        Self { stem: format!("crates/{package}/src") }
    }

    /// Such as `authkit-session-upstream-budget`.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.package(), self.path("-"))
    }

    pub(super) fn package(&self) -> &str {
        self.stem.split('/').nth(1).unwrap_or_default()
    }

    /// The beginning of the names of the tests beside its code.
    pub(super) fn tests(&self) -> String {
        self.path("::") + "::"
    }

    pub(super) fn globs(&self) -> [String; 2] {
        [format!("{}.rs", self.stem), format!("{}/**/*.rs", self.stem)]
    }

    /// Whether a file, from the root of the workspace, is of it.
    pub(super) fn holds(&self, file: &str) -> bool {
        let rest = file.strip_prefix(&self.stem);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    fn path(&self, separator: &str) -> String {
        self.stem.split('/').skip(3).collect::<Vec<_>>().join(separator)
    }
}

/// What decides who is let in, for how long, and what a browser keeps.
const DECIDING: &[&str] = &[
    "crates/authkit-session/src/decide",
    "crates/authkit-session/src/candidate",
    "crates/authkit-session/src/token",
    "crates/authkit-session/src/end",
    "crates/authkit-session/src/refresh_state",
    "crates/authkit-session/src/cookie",
    "crates/authkit-session/src/seal",
    "crates/authkit-session/src/refresh",
    "crates/authkit-session/src/request",
    "crates/authkit-session/src/upstream/budget",
    "crates/authkit-tower/src/origin",
    "crates/authkit-tower/src/entry",
    "crates/authkit-tower/src/require",
    "crates/authkit-tower/src/uri",
    "crates/authkit-tower/src/exceptions",
    "crates/authkit-tower/src/authorization",
    "crates/authkit-tower/src/bearer",
    "crates/authkit-tower/src/request_state",
    "crates/authkit-tower/src/head",
    "crates/authkit-tower/src/endpoints",
    "crates/authkit-tower/src/webhooks",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_path_is_a_module_with_its_files_and_tests() {
        let cases = [
            ("crates/authkit-session/src/decide.rs", "decide::"),
            ("crates/authkit-session/src/decide", "decide::"),
            ("crates/authkit-session/src/upstream/budget/", "upstream::budget::"),
        ];
        for (path, tests) in cases {
            let module = Module::of(path).unwrap();
            assert_eq!(module.package(), "authkit-session", "{path}");
            assert_eq!(module.tests(), tests, "{path}");
        }
        for path in ["", "decide", "crates/authkit-session/src", "tests/it/main.rs"] {
            assert!(Module::of(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_file_or_one_in_the_folder_is_of_the_module() {
        let module = Module::of("crates/a/src/end").unwrap();
        for (file, expected) in [
            ("crates/a/src/end.rs", true),
            ("crates/a/src/end/notice.rs", true),
            ("crates/a/src/ending.rs", false),
            ("crates/b/src/end.rs", false),
        ] {
            assert_eq!(module.holds(file), expected, "{file}");
        }
    }

    #[test]
    fn everything_that_decides_is_looked_at_unless_a_path_is_named() {
        let parse = |line: &str| Request::parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(parse("").unwrap().modules().len(), DECIDING.len());
        let request =
            parse("crates/a/src/x --quick --shard 1/8 --in-diff main crates/a/src/y.rs").unwrap();
        assert_eq!(request.modules().len(), 2);
        assert_eq!(request.revision(), Some("main"));
        assert_eq!(request.thoroughness(), Thoroughness::Quick);
        assert_eq!(request.shard_options()[..2], ["--shard", "1/8"]);
        for wrong in ["--shard", "--in-diff", "--all", "src/x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_module_that_decides_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        for stem in DECIDING {
            assert!(root.join(format!("{stem}.rs")).is_file(), "{stem}");
        }
    }
}
