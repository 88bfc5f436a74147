//! The program `authkit` as its users run it.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod commands;
mod doctor;
mod inspect;

use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process::{self, Command, Stdio},
};

const PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";

/// What the program said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program with these variables and no others, in a folder without files.
fn authkit(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authkit"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.current_dir(folder("empty"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // It may end without reading.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder of this run.
fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("authkit-cli-{}", process::id())).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
