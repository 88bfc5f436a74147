//! `cargo xtask pictures`: takes the README's pictures of the example, from the screenshots of the browser test.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{project::Project, setup, steps::Steps, tally::Tally};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    steps.test("sign in", || {
        let test = cmd!(sh, "cargo test --locked --package authkit-tests --test it");
        Tally::of(test.args(["--", "--exact", TEST]))
    })?;
    steps.take("pictures", || {
        for (taken, shown) in PICTURES {
            let taken = project.target.join("screenshots").join(taken);
            sh.copy_file(taken, project.root.join("docs").join(shown))?;
        }
        Ok(())
    })
}

const TEST: &str = "browser_flow::signing_in_returns_to_the_deep_link";
const PICTURES: [(&str, &str); 2] = [
    ("app-dashboard-light.png", "signed-in.png"),
    ("app-dashboard-dark.png", "signed-in-dark.png"),
];
