//! `authkit`: checks the set-up of WorkOS AuthKit sessions, and looks into their cookies.

#![forbid(unsafe_code)]

mod arguments;
mod completions;
mod doctor;
mod inspect;
mod log_id;
mod password;
mod variables;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use crate::arguments::Command;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match arguments::parse(env::args_os()) {
        Ok(Command::Help) => Ok(Output::good(arguments::HELP.to_owned())),
        Ok(Command::Version) => {
            Ok(Output::good(concat!("authkit ", env!("CARGO_PKG_VERSION"), "\n").to_owned()))
        }
        Ok(Command::Password) => password::run(),
        Ok(Command::Completions(shell)) => Ok(completions::run(shell)),
        Ok(Command::Inspect(options)) => inspect::run(options),
        Ok(Command::LogId(options)) => log_id::run(&options),
        Ok(Command::Doctor(options)) => doctor::run(&options).await,
        Ok(Command::Emulator(arguments)) => {
            return authkit_emulator::program("authkit emulator", arguments).await;
        }
        Err(problem) => Err(problem),
    };
    match outcome {
        // A closed pipe is not an error of this program.
        Ok(output) => {
            let _ = io::stdout().write_all(output.text.as_bytes());
            output.code
        }
        Err(problem) => {
            let _ = writeln!(io::stderr(), "authkit: {problem}");
            ExitCode::from(2)
        }
    }
}

/// The text to print, and the exit code.
struct Output {
    text: String,
    code: ExitCode,
}

impl Output {
    fn good(text: String) -> Self {
        Self { text, code: ExitCode::SUCCESS }
    }
}
