//! Paths that a required layer lets through without a session.
//!
//! This is the one place where a path decides, so it errs only towards protection:
//!
//! 1. Paths are compared byte by byte, as the client sent them. Nothing is decoded or normalised.
//! 2. A path that programs may read in different ways matches no exception: one with `%`, `//`, `;`, `\`, a segment `.` or
//!    `..`, or a byte that is no visible ASCII character.
//! 3. If a router or a middleware has changed the path, it must be the rest after a prefix was removed, as axum's
//!    `nest` does it. After any other change the path matches no exception.

use authkit_session::{ConfigError, ConfigProblem, Setting};
use http::{Extensions, Uri};

use crate::uri;

/// The exceptions of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug)]
enum Exception {
    /// Exactly this path.
    Path(String),
    /// Every path that begins with this, which ends with a slash.
    Below(String),
}

impl Exceptions {
    /// # Errors
    ///
    /// [`ConfigError`] that names every exception that matches no path, or every path.
    pub(crate) fn new(paths: impl IntoIterator<Item = String>) -> Result<Self, ConfigError> {
        let paths: Vec<String> = paths.into_iter().collect();
        ConfigError::check(paths.iter().filter_map(|path| problem(path)).collect())?;
        let exception = |path: String| match path.strip_suffix('*') {
            Some(prefix) => Exception::Below(prefix.to_owned()),
            None => Exception::Path(path),
        };
        Ok(Self(paths.into_iter().map(exception).collect()))
    }

    /// Whether a request is excepted, by its URI and the original URI that a router has noted.
    pub(crate) fn contain(&self, uri: &Uri, extensions: &Extensions) -> bool {
        let sent = uri::original(uri, extensions).path();
        is_routed_as_sent(uri, extensions) && ambiguity(sent).is_none() && self.match_path(sent)
    }

    fn match_path(&self, path: &str) -> bool {
        self.0.iter().any(|exception| match exception {
            Exception::Path(exact) => path == exact,
            Exception::Below(prefix) => path.starts_with(prefix.as_str()),
        })
    }
}

/// Whether a router has at most removed a prefix from the path that the client sent.
pub(crate) fn is_routed_as_sent(uri: &Uri, extensions: &Extensions) -> bool {
    is_what_a_prefix_leaves(uri::original(uri, extensions).path(), uri.path())
}

/// Whether `left` is `sent`, or `sent` without its first segments. `left` is `/` if the prefix was the whole path.
fn is_what_a_prefix_leaves(sent: &str, left: &str) -> bool {
    left.starts_with('/') && sent.ends_with(left)
        || left == "/" && sent.starts_with('/') && !sent.ends_with('/')
}

/// Why programs may read this path in different ways; `None` if all read it alike.
fn ambiguity(path: &str) -> Option<&'static str> {
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("a character that is no visible ASCII")
    } else if path.contains('%') {
        Some("a `%`")
    } else if path.contains(';') {
        Some("a `;`")
    } else if path.contains('\\') {
        Some("a `\\`")
    } else if path.contains("//") {
        Some("two slashes in a row")
    } else if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        Some("a segment `.` or `..`")
    } else {
        None
    }
}

/// The mistake in an exception, and what to write.
fn problem(path: &str) -> Option<ConfigProblem> {
    const EXAMPLE: &str = "write one such as `/about` or `/assets/*`";

    let invalid = |what: &str, wants: &str| {
        let found = format!("has `{}`, which {what}", path.escape_debug());
        Some(ConfigProblem::invalid(Setting::Exceptions, found, wants.to_owned()))
    };
    let stem = path.strip_suffix('*').unwrap_or(path);
    if path.is_empty() {
        let found = "has an empty path";
        Some(ConfigProblem::invalid(Setting::Exceptions, found, EXAMPLE))
    } else if !path.starts_with('/') {
        invalid("does not begin with a slash", EXAMPLE)
    } else if path == "/*" {
        invalid("excepts everything", "use `AuthKitLayer::optional` for that")
    } else if stem.contains(['{', '}']) {
        invalid("has a route's `{}`", "write the path as browsers send it, or a prefix with `/*`")
    } else if stem.contains('*') || stem.len() < path.len() && !stem.ends_with('/') {
        invalid("has a `*` that is not its last segment", EXAMPLE)
    } else if stem.contains(['?', '#']) {
        invalid("has a query or a fragment, and only paths are compared", "write the path alone")
    } else {
        let why = ambiguity(stem)?;
        invalid(&format!("has {why}: no such path is excepted"), EXAMPLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceptions<const N: usize>(paths: [&str; N]) -> Result<Exceptions, ConfigError> {
        Exceptions::new(paths.map(str::to_owned))
    }

    /// Every other spelling of an excepted path is protected.
    #[test]
    fn a_path_is_excepted_in_its_own_spelling_only() {
        let exceptions = exceptions(["/", "/about", "/assets/*", "/v1.0/..well-known/*"]).unwrap();
        let cases = [
            ("/", true),
            ("/?next=/admin", true),
            ("/about", true),
            ("/about?x=%2F..%2Fadmin", true),
            ("/assets/", true),
            ("/assets/app.js", true),
            ("/assets/a/b/c.css", true),
            ("/assets/..a/...", true),
            ("/v1.0/..well-known/x", true),
            ("http://app.example.com/about", true),
            ("http://app.example.com", true),
            ("/about/", false),
            ("/about/x", false),
            ("/About", false),
            ("/abou", false),
            ("/about2", false),
            ("/assets", false),
            ("/assets2/x", false),
            ("/Assets/x", false),
            ("/admin", false),
            ("//", false),
            ("//about", false),
            ("/assets//x", false),
            ("/assets//admin", false),
            ("/assets/../admin", false),
            ("/assets/..", false),
            ("/assets/.", false),
            ("/assets/./x", false),
            ("/assets/x/..", false),
            ("/assets/%2e%2e/admin", false),
            ("/assets/%2E%2E%2Fadmin", false),
            ("/assets/..%2fadmin", false),
            ("/assets/%252e%252e/admin", false),
            ("/assets/%00", false),
            ("/assets/a%20b.png", false),
            ("/%61bout", false),
            ("/about%2f", false),
            ("/about;x=1", false),
            ("/assets/..;/admin", false),
            ("/assets/;/x", false),
            ("/assets\\x", false),
            ("/assets/..\\admin", false),
            ("/about/..", false),
            ("*", false),
        ];
        for (path, expected) in cases {
            // hyper rejects a malformed URI before it reaches a layer.
            let Ok(uri) = path.parse::<Uri>() else {
                assert!(!expected, "{path}");
                continue;
            };
            assert_eq!(exceptions.contain(&uri, &Extensions::new()), expected, "{path}");
        }
        let authority: Uri = "app.example.com:443".parse().unwrap();
        assert!(!exceptions.contain(&authority, &Extensions::new()), "CONNECT");
    }

    #[cfg(feature = "axum")]
    #[test]
    fn a_path_that_was_rewritten_is_excepted_only_if_a_prefix_was_taken_off() {
        let exceptions = exceptions(["/", "/assets/*", "/pages"]).unwrap();
        let cases = [
            ("as sent", "/assets/x", "/assets/x", true),
            ("nested once", "/assets/x", "/x", true),
            ("nested deeper", "/assets/a/b", "/b", true),
            ("the whole prefix", "/pages", "/", true),
            ("an exception inside a nest alone", "/admin/assets/x", "/assets/x", false),
            ("rewritten to a protected path", "/", "/admin", false),
            ("rewritten below an exception", "/assets/x", "/admin", false),
            ("rewritten to an exception", "/admin", "/assets/x", false),
            ("cut within a segment", "/assets/admin", "admin", false),
            ("decoded by a middleware", "/assets/%2e%2e/admin", "/admin", false),
            ("a slash added", "/pages", "/pages/", false),
        ];
        for (name, sent, left, expected) in cases {
            let mut extensions = Extensions::new();
            extensions.insert(crate::OriginalUri(sent.parse().unwrap()));
            let left = Uri::builder().path_and_query(left).build();
            let Ok(left) = left else {
                assert!(!expected, "{name}");
                continue;
            };
            assert_eq!(exceptions.contain(&left, &extensions), expected, "{name}");
        }
    }

    #[test]
    fn an_exception_that_nothing_or_everything_matches_is_named() {
        let cases = [
            ("", "empty path"),
            ("about", "`about`, which does not begin with a slash"),
            ("https://app.example.com/about", "does not begin with a slash"),
            ("*", "does not begin with a slash"),
            ("/*", "AuthKitLayer::optional"),
            ("/assets*", "`*` that is not its last segment"),
            ("/*/assets", "`*` that is not its last segment"),
            ("/assets/**", "`*` that is not its last segment"),
            ("/assets/*.js", "`*` that is not its last segment"),
            ("/users/{id}", "route's `{}`"),
            ("/assets/{*rest}", "route's `{}`"),
            ("/about?x", "only paths are compared"),
            ("/about#x", "only paths are compared"),
            ("/a%20b", "has a `%`"),
            ("/a//b", "two slashes"),
            ("//", "two slashes"),
            ("/a/../b", "segment `.` or `..`"),
            ("/a/./*", "segment `.` or `..`"),
            ("/a;b", "has a `;`"),
            ("/a\\b", "has a `\\`"),
            ("/caf\u{e9}", "no visible ASCII"),
            ("/a b", "no visible ASCII"),
        ];
        for (path, expected) in cases {
            let error = exceptions([path]).unwrap_err().to_string();
            assert!(error.contains("AuthKitLayer::except "), "{error}");
            assert!(error.contains(expected), "{path}: {error}");
        }
        let both = exceptions(["/fine", "about", "/*"]).unwrap_err();
        assert_eq!(both.problems().len(), 2, "every one is named: {both}");
        assert!(exceptions([]).is_ok());
    }
}
