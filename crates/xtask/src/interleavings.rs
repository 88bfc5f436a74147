//! `cargo xtask interleavings`: the tests of `authkit-session` in every interleaving of their threads, by the model checker loom.
//!
//! `--cfg interleavings` goes to this crate alone, so no dependency is built again: `src/sync.rs` there says what it changes.

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::{Shell, cmd};

use crate::{project::Project, steps::Steps, tally::Tally};

pub(crate) fn run(sh: &Shell, _: &Project, steps: &mut Steps) -> Result<()> {
    steps.test("interleavings", || test(sh))
}

/// Builds these tests and runs them, one after the other; each prints how many interleavings it tried.
fn test(sh: &Shell) -> Result<Tally> {
    let only = ["--package", "authkit-session", "--lib", "--profile", "test"];
    let messages = cmd!(
        sh,
        "cargo rustc {only...} --all-features --locked --message-format json-render-diagnostics
            -- --cfg interleavings -D warnings"
    );
    let program = program(&messages.read()?).context("cargo names no program of tests")?;
    Tally::of(cmd!(sh, "{program} interleavings:: --test-threads 1 --nocapture"))
}

/// The program of tests that cargo's messages name.
fn program(messages: &str) -> Option<String> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs =
        messages.filter_map(|message| Some(message["executable"].as_str()?.to_owned()));
    programs.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_what_was_built_last() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/target/debug/deps/a-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(program(messages).as_deref(), Some("/target/debug/deps/a-1"));
        assert_eq!(program("no messages"), None);
    }
}
