//! The programs that the tests need, by their Debian packages.

/// A Debian package, and a command that succeeds if the package's program is installed already.
pub(super) struct Program {
    pub(super) package: &'static str,
    pub(super) probe: &'static [&'static str],
    pub(super) reason: &'static str,
}

pub(super) const MODEL_CHECKERS: &[Program] = &[Program {
    package: "spin",
    probe: &["spin", "-V"],
    reason: "checks the model of two replicas in every order of events",
}];

pub(super) const PROGRAMS: &[Program] = &[
    Program {
        package: "chromium",
        probe: &["chromium", "--version"],
        reason: "the browser of the browser tests",
    },
    Program {
        package: "chromium-driver",
        probe: &["chromedriver", "--version"],
        reason: "drives Chromium",
    },
    Program {
        package: "faketime",
        probe: &["faketime", "--version"],
        reason: "sets the clock of the official emulator back, since its tokens live an hour",
    },
    Program {
        package: "fish",
        probe: &["fish", "--version"],
        reason: "a shell in which the completions of the program `authkit` are tested",
    },
    Program {
        package: "nginx",
        // Not on every user's path; tests start their own.
        probe: &["/usr/sbin/nginx", "-v"],
        reason: "a proxy with a cache that all users share, which must not serve one user's page to another",
    },
    Program {
        package: "npm",
        probe: &["npm", "--version"],
        reason: "installs the official emulator and the Node SDKs",
    },
    Program {
        package: "openssl",
        probe: &["openssl", "version"],
        reason: "makes the certificate of the Redis that is tested with TLS",
    },
    Program {
        package: "procps",
        probe: &["kill", "-l"],
        reason: "its `kill` pauses and continues a replica or a Redis",
    },
    Program {
        package: "python3-venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        reason: "makes an environment for each version of the Python SDK",
    },
    Program {
        package: "redis-server",
        probe: &["redis-server", "--version"],
        reason: "the store that replicas share; tests start their own",
    },
    Program {
        package: "valgrind",
        probe: &["valgrind", "--version"],
        reason: "counts instructions, which repeat better than times",
    },
    Program {
        package: "wrk",
        // `wrk --version` exits with an error.
        probe: &["which", "wrk"],
        reason: "puts load on whole services for the benchmarks",
    },
    Program {
        package: "zsh",
        probe: &["zsh", "--version"],
        reason: "another shell in which the completions are tested",
    },
];

pub(super) const BROWSERS: &[Program] = &[
    Program {
        package: "firefox-esr",
        probe: &["firefox-esr", "--version"],
        reason: "the second of the three browser engines",
    },
    Program {
        package: "webkit2gtk-driver",
        probe: &["WebKitWebDriver", "--help"],
        reason: "the third engine, Safari's, and its driver",
    },
    Program {
        package: "xvfb",
        // No option of Xvfb exits with success and without a display.
        probe: &["which", "Xvfb"],
        reason: "a display for WebKit's browser, which needs a window",
    },
];
