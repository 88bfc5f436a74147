//! The program `authkit-emulator`: an emulator of WorkOS AuthKit on this machine.

#![forbid(unsafe_code)]

use std::{env, process::ExitCode};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    authkit_emulator::program("authkit-emulator", env::args_os().skip(1)).await
}
