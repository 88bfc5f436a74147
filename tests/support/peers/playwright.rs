//! Playwright, with which users test their applications.

use std::path::PathBuf;

use super::{INSTALL, installed};

/// What `require` finds.
///
/// # Panics
///
/// If Playwright is not installed.
pub fn modules() -> PathBuf {
    let modules = installed().join("playwright/node_modules");
    assert!(modules.join("@playwright/test").is_dir(), "there is no Playwright: {INSTALL}");
    modules
}

/// The program that runs it.
pub fn node() -> PathBuf {
    modules().join("node/bin/node")
}

/// A browser for Playwright, since its own browsers are not in a package registry.
///
/// # Panics
///
/// If there is none on the path.
pub fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    found.find(|program| program.is_file()).unwrap_or_else(|| panic!("no chromium: {INSTALL}"))
}
