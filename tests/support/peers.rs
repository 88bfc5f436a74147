//! The official emulator and the official SDKs, run as counterparties.
//!
//! `cargo xtask test` installs them under `target/peers`, or wherever `AUTHKIT_PEERS` points. A test
//! that needs one which is not there fails; it is never skipped.

mod app;
pub mod cookies;
mod emulator;
pub mod kinds;
pub mod playwright;
mod sdk;
pub mod sharing;
mod spelling;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command},
};

pub use self::{app::PeerApp, emulator::OfficialEmulator, sdk::Peer};

/// Where `cargo xtask test` installs: beside the test binary, unless `AUTHKIT_PEERS` says otherwise.
pub(crate) fn installed() -> PathBuf {
    if let Some(named) = env::var_os("AUTHKIT_PEERS") {
        return PathBuf::from(named);
    }
    let binary = env::current_exe().expect("a test binary has a path");
    let installed =
        binary.ancestors().map(|folder| folder.join("peers")).find(|peers| peers.is_dir());
    installed.unwrap_or_else(|| panic!("no peers above {}: {INSTALL}", binary.display()))
}

fn scripts() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

fn node() -> PathBuf {
    installed().join("npm/node_modules/node/bin/node")
}

fn spawn(command: &mut Command) -> Child {
    let program = command.get_program().to_owned();
    command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}: {INSTALL}", program.display()))
}

const INSTALL: &str = "run `cargo xtask test` once, which installs the peers";
