//! The Playwright recipe of `docs/guides/testing.md` runs as the guide prints it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use authkit_emulator::Emulator;
use support::{Program, peers::playwright};

use crate::STARTER;

/// The guide's blocks of TypeScript, each with the file name from its first line.
fn recipe() -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../docs/guides/testing.md");
    let blocks = guide.split("```ts\n// ").skip(1);
    let named = blocks.map(|block| block.split("```").next().unwrap().split_once('\n').unwrap());
    named.collect()
}

/// A project's folder; dropping it deletes it.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder =
            std::env::temp_dir().join(format!("authkit-playwright-{}", std::process::id()));
        for (name, text) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        symlink(playwright::modules(), folder.join("node_modules")).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_of_the_guide_passes_in_front_of_the_starter() {
    let emulator = Emulator::start().await;
    let variables = |port: u16| {
        let own = [
            ("WORKOS_REDIRECT_URI", format!("http://localhost:{port}/callback")),
            ("WORKOS_COOKIE_PASSWORD", PASSWORD.to_owned()),
        ];
        emulator.env().into_iter().chain(own).collect()
    };
    let app = Program::start_where(STARTER, variables);
    let files = recipe();
    assert_eq!(
        files.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["playwright.config.ts", "e2e/signed-in.spec.ts"]
    );
    let folder = Folder::with(&files);

    let mut command = Command::new(playwright::node());
    command
        .current_dir(&folder.0)
        .arg(Path::new("node_modules/@playwright/test/cli.js"))
        .args(["test", "--reporter", "line", "--workers", "1", "--retries", "0"])
        .envs(emulator.env())
        .env("APP_URL", app.url(""))
        .env("WORKOS_COOKIE_PASSWORD", PASSWORD)
        .env("CHROMIUM", playwright::chromium());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("3 passed"), "{said}\n{told}");
}

const PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";
