//! Takes the first program out of the README, so that a test can run what newcomers copy.

#![forbid(unsafe_code)]

use std::{env, fs, path::Path};

fn main() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    println!("cargo::rerun-if-changed={}", readme.display());
    println!("cargo::rerun-if-changed=build.rs");
    let text = fs::read_to_string(&readme).expect("the README is there");
    let program = text.split("```rust").skip(1).find(|block| block.contains("fn main()"));
    let program = program.and_then(|block| block.split("```").next()?.split_once('\n'));
    let mut program = program.expect("the README has a program").1.to_owned();
    for (printed, run) in CHANGES {
        assert_eq!(program.matches(printed).count(), 1, "the README's program has one `{printed}`");
        program = program.replace(printed, run);
    }
    let folder = env::var("OUT_DIR").expect("cargo names a folder");
    fs::write(Path::new(&folder).join("readme.rs"), program).expect("the folder takes a file");
}

/// What the README itself says to write without an account, and a port that no other test has.
const CHANGES: [(&str, &str); 2] = [
    ("AuthKit::from_env()?", "AuthKit::from_env_or_emulator().await?"),
    (r#""127.0.0.1:3000""#, r#"format!("127.0.0.1:{}", std::env::var("PORT")?)"#),
];
