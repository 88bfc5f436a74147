//! The programs that the tests need, by their Debian packages.

/// A Debian package, and a command that succeeds where nothing needs to be installed.
pub(super) struct Program {
    pub(super) package: &'static str,
    pub(super) probe: &'static [&'static str],
    pub(super) reason: &'static str,
}

pub(super) const MODEL_CHECKERS: &[Program] = &[Program {
    package: "spin",
    probe: &["spin", "-V"],
    reason: "looks at every order of what two replicas do",
}];

pub(super) const PROGRAMS: &[Program] = &[
    Program {
        package: "chromium",
        probe: &["chromium", "--version"],
        reason: "what users see is looked at in a real browser",
    },
    Program {
        package: "chromium-driver",
        probe: &["chromedriver", "--version"],
        reason: "drives that browser",
    },
    Program {
        package: "faketime",
        probe: &["faketime", "--version"],
        reason: "the official emulator's tokens live an hour; its clock is set back to see one expire",
    },
    Program {
        package: "fish",
        probe: &["fish", "--version"],
        reason: "a shell that completes what is typed of the program `authkit`",
    },
    Program {
        package: "nginx",
        // Not on every user's path; tests start their own.
        probe: &["/usr/sbin/nginx", "-v"],
        reason: "a cache in front that all users share, and that gives nobody another's page",
    },
    Program {
        package: "npm",
        probe: &["npm", "--version"],
        reason: "installs the official emulator and the Node SDKs",
    },
    Program {
        package: "openssl",
        probe: &["openssl", "version"],
        reason: "makes the certificate of a Redis that is reached by TLS",
    },
    Program {
        package: "procps",
        probe: &["kill", "-l"],
        reason: "its `kill` stops a replica or a Redis in its tracks and lets it go on",
    },
    Program {
        package: "python3-venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        reason: "keeps two versions of the Python SDK apart",
    },
    Program {
        package: "redis-server",
        probe: &["redis-server", "--version"],
        reason: "what replicas share refreshes and revocations on; tests start their own",
    },
    Program {
        package: "valgrind",
        probe: &["valgrind", "--version"],
        reason: "counts instructions, which repeat where times do not",
    },
    Program {
        package: "wrk",
        // Its version is an error to itself.
        probe: &["which", "wrk"],
        reason: "puts load on whole services for the benchmarks",
    },
    Program {
        package: "zsh",
        probe: &["zsh", "--version"],
        reason: "another shell that completes",
    },
];

pub(super) const BROWSERS: &[Program] = &[
    Program {
        package: "firefox-esr",
        probe: &["firefox-esr", "--version"],
        reason: "the second of the three engines that browsers have",
    },
    Program {
        package: "webkit2gtk-driver",
        probe: &["WebKitWebDriver", "--help"],
        reason: "the third engine, Safari's, and what drives it",
    },
    Program {
        package: "xvfb",
        // It has no question that it answers without a display.
        probe: &["which", "Xvfb"],
        reason: "a display for WebKit's browser, which has to have a window",
    },
];
