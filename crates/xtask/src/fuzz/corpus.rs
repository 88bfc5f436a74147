//! The inputs of a target that are kept: those with a name, each in a file, and those that a search found, each in a line.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::project::Project;

pub(super) struct Corpus {
    /// The folder of the inputs with a name.
    pub(super) named: PathBuf,
    /// The file of those that were found, in base64.
    found: PathBuf,
}

impl Corpus {
    pub(super) fn of(project: &Project, target: &str) -> Self {
        let named = folder(project).join(target);
        Self { found: named.with_extension("txt"), named }
    }

    /// Writes each input that was found into a file in `folder`, as libFuzzer reads it.
    pub(super) fn unpack(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        // A target that was never searched has none.
        let lines = fs::read_to_string(&self.found).unwrap_or_default();
        for (n, line) in lines.lines().enumerate() {
            let input = STANDARD.decode(line).with_context(|| format!("{:?}", self.found))?;
            fs::write(folder.join(format!("kept-{n}")), input)?;
        }
        Ok(())
    }

    /// Keeps the inputs in `folder` in place of those that were found before; not those that have a name. Returns how many
    /// they are.
    pub(super) fn pack(&self, folder: &Path) -> Result<usize> {
        let read = |folder: &Path| -> Result<BTreeSet<String>> {
            let files = fs::read_dir(folder)?;
            files.map(|file| Ok(STANDARD.encode(fs::read(file?.path())?))).collect()
        };
        let named = read(&self.named)?;
        let lines: Vec<_> = read(folder)?.difference(&named).cloned().collect();
        fs::write(&self.found, lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        Ok(lines.len())
    }
}

/// The targets that have a corpus.
pub(super) fn targets(project: &Project) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder(project))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            targets
                .push(entry.file_name().into_string().ok().context("a target has a plain name")?);
        }
    }
    targets.sort();
    Ok(targets)
}

fn folder(project: &Project) -> PathBuf {
    project.root.join("crates/authkit-fuzz/corpus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_without_what_has_a_name() {
        let folder = std::env::temp_dir().join(format!("corpus-{}", std::process::id()));
        let (named, new, unpacked) = (folder.join("jwt"), folder.join("new"), folder.join("out"));
        fs::create_dir_all(&named).unwrap();
        fs::create_dir_all(&new).unwrap();
        fs::write(named.join("with-a-name"), b"one").unwrap();
        for (name, input) in [("a", &b"one"[..]), ("b", b"\0\xff\n"), ("c", b"")] {
            fs::write(new.join(name), input).unwrap();
        }
        let corpus = Corpus { found: named.with_extension("txt"), named };
        assert_eq!(corpus.pack(&new).unwrap(), 2);
        corpus.unpack(&unpacked).unwrap();
        let inputs: BTreeSet<_> = fs::read_dir(&unpacked)
            .unwrap()
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .collect();
        assert_eq!(inputs, BTreeSet::from([b"\0\xff\n".to_vec(), Vec::new()]));
        fs::remove_dir_all(folder).unwrap();
    }
}
