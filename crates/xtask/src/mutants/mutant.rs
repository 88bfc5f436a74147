//! The mutants that `cargo-mutants` finds.

use anyhow::{Context, Result};
use serde_json::Value;

/// One change to the code.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// What wakes it; never 0.
    pub(super) id: usize,
    /// Such as `crates/a/src/end.rs:7:9: replace && with || in is_over`.
    pub(super) name: String,
    /// From the root of the workspace.
    pub(super) file: String,
    pub(super) start: Place,
    /// The place after the last character.
    pub(super) end: Place,
    /// Stands in place of what is between them.
    pub(super) replacement: String,
}

/// A place in a file: its line, counted from 1, and the characters before it in that line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mutant {
    /// The mutants in what `cargo mutants --list --json` prints.
    pub(super) fn all(json: &str) -> Result<Vec<Self>> {
        // It prints nothing where a diff changes no code.
        let json = if json.trim().is_empty() { "[]" } else { json };
        let mutants: Vec<Value> = serde_json::from_str(json)?;
        (1..).zip(&mutants).map(|(id, mutant)| Self::read(id, mutant)).collect()
    }

    fn read(id: usize, mutant: &Value) -> Result<Self> {
        let text = |name: &str| mutant[name].as_str().map(str::to_owned).context(name.to_owned());
        let span = &mutant["span"];
        Ok(Self {
            id,
            name: text("name")?,
            file: text("file")?,
            start: Place::read(&span["start"])?,
            end: Place::read(&span["end"])?,
            replacement: text("replacement")?,
        })
    }
}

impl Place {
    fn read(place: &Value) -> Result<Self> {
        let number = |name: &str| place[name].as_u64().context(name.to_owned());
        let [line, column] = [number("line")?, number("column")?];
        // cargo-mutants counts both from 1.
        Ok(Self {
            line: usize::try_from(line)?,
            column: usize::try_from(column)?.saturating_sub(1),
        })
    }

    /// The place that this many bytes of `text` are before.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let before = &text[..offset];
        let in_line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, column: in_line.chars().count() }
    }

    /// How many bytes are before it in `text`.
    pub(super) fn offset(self, text: &str) -> usize {
        let before: usize = text.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        text[before..].char_indices().nth(self.column).map_or(text.len(), |(at, _)| before + at)
    }
}

impl From<proc_macro2::LineColumn> for Place {
    fn from(place: proc_macro2::LineColumn) -> Self {
        Self { line: place.line, column: place.column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_where_each_mutant_is_and_what_it_is_replaced_with() {
        let json = r#"[{ "name": "n", "package": "p", "file": "f.rs", "genre": "BinaryOperator",
            "function": null, "replacement": "!=",
            "span": { "start": { "line": 2, "column": 4 }, "end": { "line": 2, "column": 6 } } }]"#;
        let mutants = Mutant::all(json).unwrap();
        let [mutant] = mutants.as_slice() else { panic!("{mutants:?}") };
        assert_eq!((mutant.id, mutant.file.as_str()), (1, "f.rs"));
        let text = "ä\nü é == o\n";
        assert_eq!(&text[mutant.start.offset(text)..mutant.end.offset(text)], " =");
        for place in [mutant.start, mutant.end] {
            assert_eq!(Place::at(text, place.offset(text)), place);
        }
        assert!(Mutant::all("").unwrap().is_empty());
        assert!(Mutant::all("[{}]").is_err());
    }
}
