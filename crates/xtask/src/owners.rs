//! `cargo xtask owners`: every type has one owner, and one name means one type.
//!
//! Three rules, checked in the sources of `crates/`:
//!
//! 1. The inherent `impl` blocks of a type are in one file. A method that needs another owner reaches it through a
//!    field, so an import shows who calls whom.
//! 2. No two types of the client crates share a name. A `pub use` defines nothing, so a re-export is no second type.
//! 3. A module is `foo.rs`, never `foo/mod.rs`.
//!
//! Code that is only compiled for tests is ignored: files and folders named `tests` or `testing`, and items under a
//! `#[cfg(..)]` that implies `test` or `doctest`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use syn::{
    Attribute, Ident, Item, Meta, Token, Type,
    punctuated::Punctuated,
    visit::{self, Visit},
};
use xshell::Shell;

use crate::{layout, project::Project, steps::Steps};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("owners", || check(sh, &project.root))
}

/// Fails with a line for each place that breaks a rule.
pub(crate) fn check(sh: &Shell, root: &Path) -> Result<()> {
    let mut sources = Vec::new();
    for path in layout::sources(sh, &root.join("crates"))? {
        let name = path.strip_prefix(root)?.to_str().context("a path that is not Unicode")?;
        sources.push(Source::parse(name, &sh.read_file(&path)?)?);
    }
    let problems = problems(&sources);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// The types that one file defines and implements, without tests.
#[derive(Default)]
struct Source {
    /// From the root of the workspace, such as `crates/authkit-tower/src/layer.rs`.
    path: String,
    /// The types, traits and aliases that it defines.
    types: BTreeSet<String>,
    /// The types that it has inherent `impl` blocks of.
    impls: BTreeSet<String>,
    /// The modules in other files that are only compiled for tests.
    test_modules: Vec<String>,
}

impl Source {
    fn parse(path: &str, text: &str) -> Result<Self> {
        let file = syn::parse_file(text).with_context(|| path.to_owned())?;
        let mut source = Self { path: path.to_owned(), ..Self::default() };
        source.visit_file(&file);
        Ok(source)
    }

    /// The crate that the file belongs to: a package, or one of its programs or benchmarks.
    fn compiled_into(&self) -> &str {
        for folder in ["/src/bin/", "/benches/"] {
            if let Some((before, after)) = self.path.split_once(folder) {
                let name = after.split(['/', '.']).next().unwrap_or_default();
                return &self.path[..before.len() + folder.len() + name.len()];
            }
        }
        self.path.split_once("/src/").map_or(&self.path, |(package, _)| package)
    }

    /// Whether this file is, or is in, a module that `other` declares for tests.
    fn is_test_module_of(&self, other: &Self) -> bool {
        let (folder, name) = other.path.rsplit_once('/').unwrap_or(("", &other.path));
        let stem = name.trim_end_matches(".rs");
        let folder = match stem {
            "lib" | "main" | "mod" => folder.to_owned(),
            _ => format!("{folder}/{stem}"),
        };
        other.test_modules.iter().any(|module| {
            let rest = self.path.strip_prefix(&format!("{folder}/{module}"));
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_for_tests) {
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.test_modules.push(module.ident.to_string());
            }
            return;
        }
        if let Some(name) = defined_by(item) {
            self.types.insert(name.to_string());
        }
        match item {
            Item::Impl(block) if block.trait_.is_none() => {
                self.impls.extend(name_of(&block.self_ty));
            }
            // The items in the braces of `pin_project!` and similar macros count too.
            Item::Macro(call) => {
                if let Ok(items) = syn::parse2::<syn::File>(call.mac.tokens.clone()) {
                    for item in &items.items {
                        // The visitor borrows from the file, and these items are not part of it.
                        let mut inner = Self::default();
                        inner.visit_item(item);
                        self.types.append(&mut inner.types);
                        self.impls.append(&mut inner.impls);
                    }
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

/// The name of the type, trait or alias that an item defines.
fn defined_by(item: &Item) -> Option<&Ident> {
    match item {
        Item::Struct(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::TraitAlias(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        _ => &[],
    }
}

/// The last name of a path, without its generic arguments: `Foo` of `crate::foo::Foo<T>`.
fn name_of(of: &Type) -> Option<String> {
    match of {
        Type::Path(of) => Some(of.path.segments.last()?.ident.to_string()),
        Type::Group(of) => name_of(&of.elem),
        Type::Paren(of) => name_of(&of.elem),
        _ => None,
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<Meta>().is_ok_and(|predicate| implies_test(&predicate))
}

/// Whether a `cfg` predicate is only true where tests are compiled.
fn implies_test(predicate: &Meta) -> bool {
    match predicate {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("doctest"),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let Ok(parts) = parts else { return false };
            if list.path.is_ident("all") {
                parts.iter().any(implies_test)
            } else {
                list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(implies_test)
            }
        }
        Meta::NameValue(_) => false,
    }
}

fn problems(sources: &[Source]) -> Vec<String> {
    let is_test = |source: &Source| sources.iter().any(|other| source.is_test_module_of(other));
    let sources: Vec<&Source> = sources.iter().filter(|source| !is_test(source)).collect();
    let mut problems = scattered(&sources);
    problems.extend(namesakes(&sources));
    let files = sources.iter().filter(|source| source.path.ends_with("/mod.rs"));
    problems.extend(files.map(|file| format!("{}: foo.rs and foo/, not foo/mod.rs", file.path)));
    problems
}

/// Rule 1. An `impl` belongs to the type of that name that its own file defines, or else to the only one of its crate.
fn scattered(sources: &[&Source]) -> Vec<String> {
    let mut definitions: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in &source.types {
            definitions.entry((source.compiled_into(), name)).or_default().push(&source.path);
        }
    }
    let mut problems = Vec::new();
    let mut files: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in &source.impls {
            let key = (source.compiled_into(), name.as_str());
            let definition = match definitions.get(&key).map(Vec::as_slice) {
                Some(defined) if defined.contains(&source.path.as_str()) => source.path.as_str(),
                Some([only]) => only,
                Some(defined) => {
                    let defined = defined.join(", ");
                    problems.push(format!("{}: which `{name}`? ({defined})", source.path));
                    continue;
                }
                None => "",
            };
            files.entry((key.0, key.1, definition)).or_default().push(&source.path);
        }
    }
    for ((_, name, _), files) in files.into_iter().filter(|(_, files)| files.len() > 1) {
        problems.push(format!(
            "`{name}` has methods in {} files: {}",
            files.len(),
            files.join(", ")
        ));
    }
    problems
}

/// Rule 2.
fn namesakes(sources: &[&Source]) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let is_client = |path: &str| CLIENTS.iter().any(|client| path.starts_with(client));
    for source in sources.iter().filter(|source| is_client(&source.path)) {
        for name in &source.types {
            files.entry(name).or_default().push(&source.path);
        }
    }
    let twice = files.into_iter().filter(|(_, files)| files.len() > 1);
    twice
        .map(|(name, files)| format!("several types are named `{name}`: {}", files.join(", ")))
        .collect()
}

/// The crates that share one vocabulary.
const CLIENTS: [&str; 3] =
    ["crates/authkit-session/", "crates/authkit-tower/", "crates/authkit-redis/"];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sources: &[(&str, &str)]) -> Vec<String> {
        let parse = |(path, text): &(&str, &str)| Source::parse(path, text).unwrap();
        problems(&sources.iter().map(parse).collect::<Vec<_>>())
    }

    const A: &str = "crates/authkit-session/src/a.rs";
    const B: &str = "crates/authkit-session/src/b.rs";

    #[test]
    fn a_type_has_its_methods_in_one_file() {
        let owner = "struct Foo<T>(T); impl<T> Foo<T> {}";
        let cases = [
            ("nowhere else", "", 0),
            ("a second block", "impl Foo<u8> {}", 1),
            ("by its path", "impl super::a::Foo<u8> {}", 1),
            ("with bounds", "impl<T> Foo<T> where T: Clone {}", 1),
            ("in parentheses", "impl (Foo<u8>) {}", 1),
            ("in an inline module", "mod inner { use crate::a::Foo; impl Foo<u8> {} }", 1),
            ("in a function", "fn f() { impl Foo<u8> {} }", 1),
            ("under a feature", "#[cfg(feature = \"axum\")] impl Foo<u8> {}", 1),
            ("not only for tests", "#[cfg(any(test, unix))] impl Foo<u8> {}", 1),
            ("not for tests", "#[cfg(not(test))] impl Foo<u8> {}", 1),
            ("as an item of a macro", "pin_project! { impl Foo<u8> {} }", 1),
            ("of a trait", "impl Clone for Foo<u8> {} impl<T> Drop for Foo<T> {}", 0),
            ("of another type", "struct Bar; impl Bar {}", 0),
            ("of its own type of that name", "enum Foo {} impl Foo {}", 1),
            ("for tests", "#[cfg(test)] impl Foo<u8> {}", 0),
            ("for some tests", "#[cfg(all(unix, test))] impl Foo<u8> {}", 0),
            ("in a module for tests", "#[cfg(test)] mod tests { impl Foo<u8> {} }", 0),
            ("in a text", "const S: &str = \"impl Foo<u8> {}\"; // impl Foo<u8> {}", 0),
            ("in a definition of a macro", "macro_rules! m { () => { impl Foo<u8> {} } }", 0),
        ];
        for (name, other, expected) in cases {
            assert_eq!(found(&[(A, owner), (B, other)]).len(), expected, "{name}");
        }
        assert_eq!(
            found(&[(A, owner), (B, "impl Foo<u8> {}")]),
            [format!("`Foo` has methods in 2 files: {A}, {B}")]
        );
    }

    #[test]
    fn types_of_one_name_in_several_crates_are_told_apart() {
        let types = "struct Foo; impl Foo {}";
        let cases = [
            ("two packages", ["crates/xtask/src/a.rs", "crates/authkit-emulator/src/a.rs"], 0),
            ("two programs", ["crates/x/src/bin/a.rs", "crates/x/src/bin/b/c.rs"], 0),
            ("two benchmarks", ["crates/x/benches/a.rs", "crates/x/benches/b.rs"], 0),
            ("two files that each have one", ["crates/x/src/a.rs", "crates/x/src/b.rs"], 0),
            (
                "two client crates",
                ["crates/authkit-tower/src/a.rs", "crates/authkit-redis/src/b.rs"],
                1,
            ),
        ];
        for (name, paths, expected) in cases {
            assert_eq!(found(&paths.map(|path| (path, types))).len(), expected, "{name}");
        }
        let c = ("crates/x/src/c.rs", "impl Foo {}");
        let unclear = found(&[("crates/x/src/a.rs", types), ("crates/x/src/b.rs", types), c]);
        assert_eq!(
            unclear,
            ["crates/x/src/c.rs: which `Foo`? (crates/x/src/a.rs, crates/x/src/b.rs)"]
        );
    }

    #[test]
    fn one_name_means_one_type_of_the_client_crates() {
        let cases = [
            ("a struct", "pub struct Foo;", 1),
            ("an enum", "enum Foo {}", 1),
            ("a trait", "trait Foo {}", 1),
            ("an alias", "type Foo = u8;", 1),
            ("inside of a macro", "pin_project! { struct Foo { #[pin] a: u8 } }", 1),
            ("a function", "fn Foo() {}", 0),
            ("an associated type", "impl Iterator for Bar { type Foo = u8; }", 0),
            ("a re-export", "pub use crate::a::Foo;", 0),
            ("for tests", "#[cfg(test)] struct Foo;", 0),
            ("for tests of the documentation", "#[cfg(all(doctest, unix))] struct Foo;", 0),
        ];
        for (name, other, expected) in cases {
            let other = ("crates/authkit-redis/src/b.rs", other);
            assert_eq!(found(&[(A, "struct Foo;"), other]).len(), expected, "{name}");
        }
    }

    #[test]
    fn modules_that_only_tests_compile_are_left_out() {
        let (lib, nested) = ("crates/x/src/lib.rs", "crates/x/src/a.rs");
        let declared = "#[cfg(test)] mod support;";
        let cases = [
            ("a file", lib, "crates/x/src/support.rs", 0),
            ("a file in its folder", lib, "crates/x/src/support/more.rs", 0),
            ("of another file", nested, "crates/x/src/a/support.rs", 0),
            ("elsewhere", nested, "crates/x/src/support.rs", 1),
            ("a longer name", lib, "crates/x/src/supports.rs", 1),
        ];
        for (name, declares, path, expected) in cases {
            let sources = [
                (declares, declared),
                ("crates/x/src/owner.rs", "struct Foo; impl Foo {}"),
                (path, "impl Foo {}"),
            ];
            assert_eq!(found(&sources).len(), expected, "{name}");
        }
    }

    #[test]
    fn a_module_is_a_file_of_its_name() {
        assert_eq!(found(&[("crates/x/src/a/mod.rs", "")]).len(), 1);
        assert_eq!(found(&[("crates/x/src/a/model.rs", "")]).len(), 0);
        assert!(Source::parse(A, "impl {").is_err(), "a file that does not parse is no good file");
    }

    #[test]
    fn every_type_here_has_one_owner_and_a_name_of_its_own() -> Result<()> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("crates/xtask")?;
        check(&Shell::new()?, root)
    }
}
