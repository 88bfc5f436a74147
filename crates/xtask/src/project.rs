//! The workspace, as `cargo metadata` describes it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::{Shell, cmd};

/// The workspace's folders, and its packages that are published.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) published: Vec<Package>,
    /// The manifests of all packages.
    pub(crate) manifests: Vec<Value>,
    /// The first file of every library, program and test.
    pub(crate) crate_roots: Vec<PathBuf>,
    pub(crate) target: PathBuf,
    /// The oldest Rust that the packages support.
    pub(crate) rust_version: String,
}

/// A package, with its features except `default`, and its manifest.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) features: Vec<String>,
    pub(crate) manifest: Value,
}

impl Project {
    pub(crate) fn read(sh: &Shell) -> Result<Self> {
        let metadata = cmd!(sh, "cargo metadata --no-deps --format-version 1 --locked").quiet();
        let metadata: Value = serde_json::from_str(&metadata.read()?)?;
        let path = |field| metadata[field].as_str().map(PathBuf::from).context(field);
        let packages = metadata["packages"].as_array().context("packages")?;
        Ok(Self {
            root: path("workspace_root")?,
            published: packages
                .iter()
                .filter(|package| package["publish"].is_null())
                .map(Package::read)
                .collect::<Result<_>>()?,
            manifests: packages.clone(),
            crate_roots: packages
                .iter()
                .filter_map(|package| package["targets"].as_array())
                .flatten()
                .map(|target| target["src_path"].as_str().map(PathBuf::from).context("src_path"))
                .collect::<Result<_>>()?,
            target: path("target_directory")?,
            rust_version: packages
                .iter()
                .find_map(|package| package["rust_version"].as_str())
                .context("rust_version")?
                .to_owned(),
        })
    }

    /// The `--package` arguments for every published package.
    pub(crate) fn published_only(&self) -> Vec<String> {
        self.published
            .iter()
            .flat_map(|package| ["--package".into(), package.name.clone()])
            .collect()
    }

    /// The folder in which the official SDKs and the official emulator are installed.
    pub(crate) fn peers(&self) -> PathBuf {
        self.target.join("peers")
    }
}

impl Package {
    /// Whether the package has a library, on which other packages can depend.
    pub(crate) fn has_library(&self) -> bool {
        let targets = self.manifest["targets"].as_array();
        targets.is_some_and(|targets| targets.iter().any(|target| target["kind"][0] == "lib"))
    }

    fn read(package: &Value) -> Result<Self> {
        let features = package["features"].as_object().context("features")?;
        Ok(Self {
            name: package["name"].as_str().context("name")?.to_owned(),
            features: features.keys().filter(|name| *name != "default").cloned().collect(),
            manifest: package.clone(),
        })
    }
}
